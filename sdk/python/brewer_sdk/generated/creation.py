# Generated from wit/ by `cargo xtask sdk`; do not edit.
"""New tensors, on the device of the model."""

from wit_world.imports import tensor as contract

from .. import kinds
from ..arguments import integers, scalar, spread
from ..errors import ask
from ..tensor import Tensor

__all__ = ["zeros", "ones"]


def zeros(*size, dtype=kinds.float32):
    """A tensor of zeros."""
    return Tensor(ask(contract.zeros, spread(size), kinds.checked(dtype)))


def ones(*size, dtype=kinds.float32):
    """A tensor of ones."""
    return Tensor(ask(contract.ones, spread(size), kinds.checked(dtype)))


def _full(size, fill_value, dtype):
    """A tensor of one value."""
    return Tensor(ask(contract.full, integers(size), scalar(fill_value), kinds.checked(dtype)))


def _arange(start, end, step, dtype):
    """
    `start`, `start + step`, … below `end` (above it for a negative step), as `[n]`.

    Errors: `bad-argument` for a step of 0, a step away from `end`, or a number that is not finite.
    """
    return Tensor(ask(contract.arange, scalar(start), scalar(end), scalar(step), kinds.checked(dtype)))
