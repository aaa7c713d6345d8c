"""New tensors, on the device of the model, and tensors joined."""

from wit_world.imports import values

from . import kinds
from .arguments import integers
from .errors import ask
from .generated import creation as generated
from .tensor import Tensor
from .tensor_list import TensorList


def full(size, fill_value, dtype=None) -> Tensor:
    """A tensor of one value; its kind follows from the value, unless given."""
    return generated._full(size, fill_value, _kind_of(fill_value) if dtype is None else dtype)


def arange(start, end=None, step=1, dtype=None) -> Tensor:
    """`start`, `start + step`, … below `end`, as `[n]`; from 0 if there is one argument."""
    if end is None:
        start, end = 0, start
    bounds = (start, end, step)
    if dtype is None:
        dtype = kinds.int64 if all(isinstance(bound, int) for bound in bounds) else kinds.float32
    return generated._arange(*bounds, dtype)


def tensor(data, dtype=None) -> Tensor:
    """A tensor of Python numbers: one, or nested lists of them.

    Integers become `int64`, floats `float32`, `True` and `False` `boolean`; `dtype` converts.
    """
    shape, elements = _flatten(data)
    types = {type(element) for element in elements}
    if types - {bool, int, float}:
        names = ", ".join(sorted(found.__name__ for found in types))
        raise TypeError(f"a tensor is made of numbers or nested lists of them, found {names}")
    if float in types or not types:
        made = ask(values.new_f32, [float(element) for element in elements], shape)
    elif int in types:
        made = ask(values.new_s64, integers(elements), shape)
    else:
        made = ask(values.new_bool, elements, shape)
    return Tensor(made) if dtype is None else Tensor(made).to(dtype)


def cat(tensors, dim: int = 0) -> Tensor:
    """Tensors joined along a dimension that they have: two of `[a, b]` give `[2a, b]` for dim 0."""
    return TensorList.of(tensors).cat(dim)


def stack(tensors, dim: int = 0) -> Tensor:
    """Tensors of one shape joined along a new dimension: two of `[a, b]` give `[2, a, b]` for dim 0."""
    return TensorList.of(tensors).stack(dim)


def where(condition: Tensor, input: Tensor, other) -> Tensor:
    """`input` where `condition` (`boolean`) holds and `other`, a tensor or a number, elsewhere."""
    return input.where(condition, other)


def _kind_of(number):
    if isinstance(number, bool):
        return kinds.boolean
    return kinds.int64 if isinstance(number, int) else kinds.float32


def _flatten(data):
    """The shape of nested lists, and their elements in row-major order."""
    if not isinstance(data, (list, tuple)):
        return [], [data]
    parts = [_flatten(part) for part in data]
    shapes = {tuple(shape) for shape, _ in parts}
    if len(shapes) > 1:
        raise ValueError(f"nested lists of different lengths: {sorted(map(list, shapes))}")
    inner = list(shapes.pop()) if shapes else []
    return [len(parts), *inner], [element for _, elements in parts for element in elements]
