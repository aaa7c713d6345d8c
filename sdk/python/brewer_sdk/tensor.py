"""Tensors. The elements stay with the host, which computes; a `Tensor` is a handle with torch's methods."""

from __future__ import annotations  # Some methods have the names of types.

from wit_world.imports import tensor as contract
from wit_world.imports import values

from . import indexing, kinds
from .arguments import count, dimensions, integer, is_number, scalar, spread
from .errors import ask


class Tensor:
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
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self._handle.shape())

    def dim(self) -> int:
        """The number of dimensions."""
        return self.ndim

    def size(self, dim: int | None = None):
        """The shape, or the size of one dimension."""
        shape = self.shape
        if dim is None:
            return shape
        return shape[indexing.dimension(dim, len(shape))]

    def numel(self) -> int:
        """The number of elements."""
        product = 1
        for size in self._handle.shape():
            product *= size
        return product

    def __len__(self) -> int:
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

    def read(self, start: int, length: int) -> list:
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

    def __bool__(self) -> bool:
        return bool(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    # Kinds.

    def to(self, dtype: kinds.Kind) -> Tensor:
        """The elements converted: to integers by cutting off, to `boolean` by `!= 0`."""
        return Tensor(ask(self._handle.to_kind, kinds.checked(dtype)))

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

    # Views.

    def detach(self) -> Tensor:
        """The same elements without a gradient."""
        return Tensor(ask(self._handle.detach))

    def select(self, dim: int, index: int) -> Tensor:
        """The elements at one index of `dim`, which vanishes: `[a, b, c]` becomes `[a, c]` for dim 1."""
        return Tensor(ask(self._handle.select, integer(dim), integer(index)))

    def narrow(self, dim: int, start: int, length: int) -> Tensor:
        """The elements `start..start + length` of `dim`: `[a, b]` becomes `[a, length]` for dim 1."""
        return Tensor(ask(self._handle.narrow, integer(dim), integer(start), integer(length)))

    def reshape(self, *shape) -> Tensor:
        """Another shape with as many elements; one size may be -1."""
        return Tensor(ask(self._handle.reshape, spread(shape)))

    view = reshape

    def permute(self, *dims) -> Tensor:
        """The dimensions in another order."""
        return Tensor(ask(self._handle.permute, spread(dims)))

    def transpose(self, dim0: int, dim1: int) -> Tensor:
        """Two dimensions exchanged."""
        return Tensor(ask(self._handle.transpose, integer(dim0), integer(dim1)))

    def squeeze(self, dim: int) -> Tensor:
        """Without `dim` if its size is 1."""
        return Tensor(ask(self._handle.squeeze, integer(dim)))

    def unsqueeze(self, dim: int) -> Tensor:
        """With a dimension of size 1 before `dim`; -1 appends it."""
        return Tensor(ask(self._handle.unsqueeze, integer(dim)))

    def expand(self, *sizes) -> Tensor:
        """Dimensions of size 1 repeated to `sizes`; -1 keeps a size."""
        return Tensor(ask(self._handle.expand, spread(sizes)))

    def flatten(self, start_dim: int = 0, end_dim: int = -1) -> Tensor:
        """The dimensions `start_dim..=end_dim` made one."""
        return Tensor(ask(self._handle.flatten, integer(start_dim), integer(end_dim)))

    def __getitem__(self, index) -> Tensor:
        return indexing.get(self, index)

    # Reductions: over `dim` (one or several), over all dimensions without it.

    def sum(self, dim=None, keepdim: bool = False) -> Tensor:
        """The sum. Integers and `boolean` give `int64`."""
        return Tensor(ask(self._handle.sum, dimensions(dim), bool(keepdim)))

    def mean(self, dim=None, keepdim: bool = False) -> Tensor:
        """The mean of floating-point numbers."""
        return Tensor(ask(self._handle.mean, dimensions(dim), bool(keepdim)))

    def amax(self, dim=None, keepdim: bool = False) -> Tensor:
        """The largest elements; a gradient is shared evenly among equal ones."""
        return Tensor(ask(self._handle.max, dimensions(dim), bool(keepdim)))

    def amin(self, dim=None, keepdim: bool = False) -> Tensor:
        """The smallest elements; a gradient is shared evenly among equal ones."""
        return Tensor(ask(self._handle.min, dimensions(dim), bool(keepdim)))

    def max(self) -> Tensor:
        """The largest element of all; `amax` takes dimensions."""
        return self.amax()

    def min(self) -> Tensor:
        """The smallest element of all; `amin` takes dimensions."""
        return self.amin()

    def norm(self, p=2.0, dim=None, keepdim: bool = False) -> Tensor:
        """The `p`-norm of floating-point numbers."""
        return Tensor(ask(self._handle.norm, p * 1.0, dimensions(dim), bool(keepdim)))

    def any(self, dim=None, keepdim: bool = False) -> Tensor:
        """Whether any element is not zero."""
        return Tensor(ask(self._handle.any, dimensions(dim), bool(keepdim)))

    def all(self, dim=None, keepdim: bool = False) -> Tensor:
        """Whether all elements are not zero."""
        return Tensor(ask(self._handle.all, dimensions(dim), bool(keepdim)))

    def argmax(self, dim: int | None = None, keepdim: bool = False) -> Tensor:
        """The index of the largest element along `dim`, of all elements without it, as `int64`."""
        if dim is None:
            return self.reshape(-1).argmax(0)
        return Tensor(ask(self._handle.argmax, integer(dim), bool(keepdim)))

    def softmax(self, dim: int) -> Tensor:
        """Softmax along `dim`."""
        return Tensor(ask(self._handle.softmax, integer(dim)))

    def log_softmax(self, dim: int) -> Tensor:
        """The logarithm of the softmax along `dim`."""
        return Tensor(ask(self._handle.log_softmax, integer(dim)))

    # Arithmetic and selection that is more than an operator (those are in `operators`).

    def pow(self, exponent) -> Tensor:
        """Each element raised to a number."""
        return Tensor(ask(self._handle.pow_scalar, scalar(exponent)))

    def clamp(self, min=None, max=None) -> Tensor:
        """Each element, but at least `min` and at most `max`, where given."""
        low = None if min is None else scalar(min)
        high = None if max is None else scalar(max)
        return Tensor(ask(self._handle.clamp, low, high))

    def where(self, condition: Tensor, other: Tensor) -> Tensor:
        """`self` where `condition` (`boolean`) holds and `other`, a tensor or a number, elsewhere."""
        if is_number(other):
            other = self._number(other)
        return Tensor(ask(self._handle.where, handle(condition), handle(other)))

    def gather(self, dim: int, index: Tensor) -> Tensor:
        """The elements at the indices of `dim` that `index` (`int64`, as many dimensions) names."""
        return Tensor(ask(self._handle.gather, integer(dim), handle(index)))

    def index_select(self, dim: int, index: Tensor) -> Tensor:
        """The parts of `dim` that `index` (`int64`, `[n]`) names: `[a, b]` becomes `[a, n]` for dim 1."""
        return Tensor(ask(self._handle.index_select, integer(dim), handle(index)))

    def masked_fill(self, mask: Tensor, value) -> Tensor:
        """The number `value` where `mask` (`boolean`, broadcast to `self`) holds and `self` elsewhere."""
        return Tensor(ask(self._handle.masked_fill, handle(mask), scalar(value)))

    def masked_select(self, mask: Tensor) -> Tensor:
        """The elements where `mask` (`boolean`) holds, as `[n]`. Needs the permission `read-values`."""
        return Tensor(ask(self._handle.masked_select, handle(mask)))

    def _number(self, value) -> Tensor:
        """A number as a scalar tensor that promotes `self` no more than the number would."""
        kind = self.dtype
        if kind not in kinds.FLOATING and isinstance(value, float):
            kind = kinds.float32
        return Tensor(ask(contract.full, [], scalar(value), kind))


def handle(value) -> contract.Tensor:
    """The host's handle of a tensor."""
    if not isinstance(value, Tensor):
        raise TypeError(f"expected a Tensor, found {type(value).__name__}")
    return value._handle


# The operators fill the class above, in a file of their own.
from . import operators  # noqa: E402

operators.define(Tensor)
