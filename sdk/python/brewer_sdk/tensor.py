"""Tensors. The elements stay with the host, which computes; a `Tensor` is a handle with torch's methods."""

from __future__ import annotations

import builtins  # Some methods have the names of types.

from wit_world.imports import tensor as contract
from wit_world.imports import values

from . import indexing, kinds
from .arguments import count, is_number, scalar
from .errors import ask
from .generated.operations import Operations


class Tensor(Operations):
    """A tensor that the host holds. No method changes it; a negative dimension counts from the end.

    Names, arguments and semantics are torch's: shapes broadcast, kinds promote, gradients flow. What cannot be done
    raises a `TensorError`.
    """

    __slots__ = ("_handle", "__weakref__")

    def __init__(self, handle: contract.Tensor):
        if not isinstance(handle, contract.Tensor):
            raise TypeError("a tensor is made by brewer_sdk.tensor, zeros, ones, full or arange")
        self._handle = handle

    # What it is.

    @property
    def shape(self) -> tuple:
        """The size of each dimension; empty for a scalar."""
        return tuple(self._handle.shape())

    @property
    def dtype(self) -> kinds.Kind:
        """The kind of its elements, such as `brewer_sdk.float32`."""
        return self._handle.kind()

    @property
    def ndim(self) -> builtins.int:
        """The number of dimensions."""
        return len(self._handle.shape())

    def dim(self) -> builtins.int:
        """The number of dimensions."""
        return self.ndim

    def size(self, dim: builtins.int | None = None):
        """The shape, or the size of one dimension."""
        shape = self.shape
        if dim is None:
            return shape
        return shape[indexing.dimension(dim, len(shape))]

    def numel(self) -> builtins.int:
        """The number of elements."""
        product = 1
        for size in self._handle.shape():
            product *= size
        return product

    def __len__(self) -> builtins.int:
        shape = self.shape
        if not shape:
            raise TypeError("a scalar has no length")
        return shape[0]

    def __iter__(self):
        return (self.select(0, position) for position in range(len(self)))

    def __repr__(self) -> str:
        return f"Tensor(shape={list(self.shape)}, dtype={self.dtype.name.lower()})"

    # Reading elements: the experiment must permit it.

    def tolist(self) -> list:
        """All elements, flat, in row-major order. Needs the permission `read-values`."""
        return self.read(0, self.numel())

    def read(self, start: builtins.int, length: builtins.int) -> list:
        """`length` elements from element `start` on, in row-major order. Needs the permission `read-values`."""
        kind = self.dtype
        if kind in kinds.FLOATING:
            read = values.read_f32
        else:
            read = values.read_bool if kind == kinds.boolean else values.read_s64
        return ask(read, self._handle, count(start), count(length))

    def item(self):
        """The element of a tensor that has one. Needs the permission `read-values`."""
        elements = self.numel()
        if elements != 1:
            raise ValueError(f"a tensor of shape {list(self.shape)} has {elements} elements; expected one")
        return self.read(0, 1)[0]

    def __bool__(self) -> builtins.bool:
        return bool(self.item())

    def __float__(self) -> builtins.float:
        return float(self.item())

    def __int__(self) -> builtins.int:
        return int(self.item())

    # Kinds: `to` converts to any.

    def half(self) -> Tensor:
        """The elements as `float16`."""
        return self.to(kinds.float16)

    def float(self) -> Tensor:
        """The elements as `float32`."""
        return self.to(kinds.float32)

    def double(self) -> Tensor:
        """The elements as `float64`."""
        return self.to(kinds.float64)

    def int(self) -> Tensor:
        """The elements as `int32`."""
        return self.to(kinds.int32)

    def long(self) -> Tensor:
        """The elements as `int64`."""
        return self.to(kinds.int64)

    def bool(self) -> Tensor:
        """Where the elements are not zero."""
        return self.to(kinds.boolean)

    # What is sugar around the operations of the contract.

    view = Operations.reshape

    def __getitem__(self, index) -> Tensor:
        return indexing.get(self, index)

    def max(self) -> Tensor:
        """The largest element of all; `amax` takes dimensions."""
        return self.amax()

    def min(self) -> Tensor:
        """The smallest element of all; `amin` takes dimensions."""
        return self.amin()

    def argmax(self, dim: builtins.int | None = None, keepdim: builtins.bool = False) -> Tensor:
        """The index of the largest element along `dim`, of all elements without it, as `int64`."""
        if dim is None:
            return self.reshape(-1).argmax(0)
        return super().argmax(dim, keepdim)

    def where(self, condition: Tensor, other: Tensor | builtins.float) -> Tensor:
        """`self` where `condition` (`boolean`) holds and `other`, a tensor or a number, elsewhere."""
        return super().where(condition, other if isinstance(other, Tensor) else self._number(other))

    # Operators that are more than an operation of the contract.

    # As torch's: `==` compares elements, tensors are told apart by identity.
    __hash__ = object.__hash__

    def __radd__(self, number: builtins.float) -> Tensor:
        return self.__add__(number)

    def __rmul__(self, number: builtins.float) -> Tensor:
        return self.__mul__(number)

    def __rsub__(self, number: builtins.float) -> Tensor:
        return self.neg().add(number) if is_number(number) else NotImplemented

    def __rtruediv__(self, number: builtins.float) -> Tensor:
        return self._number(number).div(self) if is_number(number) else NotImplemented

    def __pow__(self, number: builtins.float) -> Tensor:
        return self.pow(number) if is_number(number) else NotImplemented

    # torch combines the bits of integers, which the contract does not have.

    def __and__(self, other: Tensor) -> Tensor:
        return _of_booleans("&", self, other).logical_and(other) if isinstance(other, Tensor) else NotImplemented

    def __or__(self, other: Tensor) -> Tensor:
        return _of_booleans("|", self, other).logical_or(other) if isinstance(other, Tensor) else NotImplemented

    def __invert__(self) -> Tensor:
        return _of_booleans("~", self).logical_not()

    def _number(self, value) -> Tensor:
        """A number as a scalar tensor that promotes `self` no more than the number would."""
        kind = self.dtype
        if kind not in kinds.FLOATING and isinstance(value, builtins.float):
            kind = kinds.float32
        return Tensor(ask(contract.full, [], scalar(value), kind))


def _of_booleans(symbol, first, *others):
    """`first`, if all are boolean tensors."""
    for operand in (first, *others):
        if operand.dtype != kinds.boolean:
            raise TypeError(f"`{symbol}` takes boolean tensors, found {operand!r}; compare with a number first")
    return first
