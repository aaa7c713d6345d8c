"""Checks before an argument crosses to the host: there, a value of another type would end the call without a word."""

import operator

from wit_world.imports import tensor as contract
from wit_world.imports.losses import Reduction

_INT64 = range(-(1 << 63), 1 << 63)
_UINT32 = range(1 << 32)
_UINT64 = range(1 << 64)
_REDUCTIONS = {"none": Reduction.NONE, "mean": Reduction.MEAN, "sum": Reduction.SUM}


def handle(value) -> contract.Tensor:
    """The host's handle of a tensor."""
    held = getattr(value, "_handle", None)
    if not isinstance(held, contract.Tensor):
        raise TypeError(f"expected a Tensor, found {type(value).__name__}")
    return held


def integer(value, within=_INT64) -> int:
    """`value` as a 64-bit integer. Errors: `TypeError`, `OverflowError`."""
    number = operator.index(value)
    if number not in within:
        raise OverflowError(f"{number} is outside {within.start}..{within.stop - 1}")
    return number


def position(value) -> int:
    """`value` as a position in a list."""
    return integer(value, _UINT32)


def count(value) -> int:
    """`value` as a number of elements."""
    return integer(value, _UINT64)


def integers(values) -> list:
    """A sequence of integers, or one integer, as a list: a shape or dimensions."""
    if hasattr(values, "__index__"):
        return [integer(values)]
    return [integer(value) for value in values]


def spread(values) -> list:
    """What `*values` collected: `(2, 3)` or `((2, 3),)`, as torch takes shapes."""
    return integers(values[0] if len(values) == 1 else values)


def dimensions(dim) -> list:
    """`dim` of a reduction: None, a dimension, or several. None is all, for which the contract has an empty list."""
    return [] if dim is None else integers(dim)


def is_number(value) -> bool:
    return isinstance(value, (int, float))


def scalar(value):
    """A Python number as the contract's `scalar`."""
    if isinstance(value, int):
        return contract.Scalar_Int(integer(value))
    if isinstance(value, float):
        return contract.Scalar_Float(value)
    raise TypeError(f"expected a number, found {type(value).__name__}")


def real(value) -> float:
    """A Python number as a floating-point one."""
    if not is_number(value):
        raise TypeError(f"expected a number, found {type(value).__name__}")
    return float(value)


def reduction_of(name):
    """The contract's `reduction` of that name."""
    if name not in _REDUCTIONS:
        raise ValueError(f"the reduction is {name!r}; expected one of {', '.join(_REDUCTIONS)}")
    return _REDUCTIONS[name]


def text(value) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected a name, found {type(value).__name__}")
    return value
