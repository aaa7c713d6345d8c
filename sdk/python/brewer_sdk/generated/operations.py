# Generated from wit/ by `cargo xtask sdk`; do not edit.
"""What tensors compute, with the names and semantics of torch."""

from .. import kinds
from ..arguments import dimensions, handle, integer, is_number, real, scalar, spread
from ..errors import ask


class Operations:
    """The methods and operators of a `Tensor` that ask the host."""

    __slots__ = ()

    def share(self):
        """Another handle to the same tensor."""
        return type(self)(ask(self._handle.share))

    def detach(self):
        """The same elements without a gradient."""
        return type(self)(ask(self._handle.detach))

    def to(self, dtype):
        """The elements converted: to integers by cutting off, to `boolean` by `!= 0`."""
        return type(self)(ask(self._handle.to_kind, kinds.checked(dtype)))

    def select(self, dim, index):
        """
        The elements at one index of a dimension, which vanishes: `[a, b, c]` becomes `[a, c]` for dim 1. A negative
        index counts from the end.
        """
        return type(self)(ask(self._handle.select, integer(dim), integer(index)))

    def narrow(self, dim, start, length):
        """The elements `start..start + length` of a dimension: `[a, b]` becomes `[a, length]` for dim 1."""
        return type(self)(ask(self._handle.narrow, integer(dim), integer(start), integer(length)))

    def reshape(self, *shape):
        """Another shape with as many elements; one size may be -1 and follows from the others."""
        return type(self)(ask(self._handle.reshape, spread(shape)))

    def permute(self, *dims):
        """The dimensions in another order; each is named once."""
        return type(self)(ask(self._handle.permute, spread(dims)))

    def transpose(self, dim0, dim1):
        """Two dimensions exchanged."""
        return type(self)(ask(self._handle.transpose, integer(dim0), integer(dim1)))

    def squeeze(self, dim):
        """Without dimension `dim` if its size is 1, unchanged otherwise."""
        return type(self)(ask(self._handle.squeeze, integer(dim)))

    def unsqueeze(self, dim):
        """With a dimension of size 1 put in before `dim`; -1 appends it."""
        return type(self)(ask(self._handle.unsqueeze, integer(dim)))

    def expand(self, *sizes):
        """Dimensions of size 1 repeated to `sizes`, which may have more dimensions in front; -1 keeps a size."""
        return type(self)(ask(self._handle.expand, spread(sizes)))

    def flatten(self, start_dim=0, end_dim=-1):
        """The dimensions `start_dim..=end_dim` made one."""
        return type(self)(ask(self._handle.flatten, integer(start_dim), integer(end_dim)))

    def add(self, other):
        """`self + other`"""
        if is_number(other):
            return type(self)(ask(self._handle.add_scalar, scalar(other)))
        return type(self)(ask(self._handle.add, handle(other)))

    def __add__(self, other):
        return self.add(other) if isinstance(other, Operations) or is_number(other) else NotImplemented

    def sub(self, other):
        """`self - other`"""
        if is_number(other):
            return type(self)(ask(self._handle.sub_scalar, scalar(other)))
        return type(self)(ask(self._handle.sub, handle(other)))

    def __sub__(self, other):
        return self.sub(other) if isinstance(other, Operations) or is_number(other) else NotImplemented

    def mul(self, other):
        """`self * other`"""
        if is_number(other):
            return type(self)(ask(self._handle.mul_scalar, scalar(other)))
        return type(self)(ask(self._handle.mul, handle(other)))

    def __mul__(self, other):
        return self.mul(other) if isinstance(other, Operations) or is_number(other) else NotImplemented

    def div(self, other):
        """`self / other`; integers give `float32`."""
        if is_number(other):
            return type(self)(ask(self._handle.div_scalar, scalar(other)))
        return type(self)(ask(self._handle.div, handle(other)))

    def __truediv__(self, other):
        return self.div(other) if isinstance(other, Operations) or is_number(other) else NotImplemented

    def maximum(self, other):
        """The larger of each two elements."""
        return type(self)(ask(self._handle.maximum, handle(other)))

    def minimum(self, other):
        """The smaller of each two elements."""
        return type(self)(ask(self._handle.minimum, handle(other)))

    def pow(self, exponent):
        """Each element raised to `exponent`."""
        return type(self)(ask(self._handle.pow_scalar, scalar(exponent)))

    def clamp(self, min=None, max=None):
        """Each element, but at least `min` and at most `max`, where given."""
        return type(self)(
            ask(self._handle.clamp, None if min is None else scalar(min), None if max is None else scalar(max))
        )

    def neg(self):
        """`-self`"""
        return type(self)(ask(self._handle.neg))

    __neg__ = neg

    def abs(self):
        """The absolute values."""
        return type(self)(ask(self._handle.abs))

    __abs__ = abs

    def exp(self):
        """e to the power of each element."""
        return type(self)(ask(self._handle.exp))

    def log(self):
        """The natural logarithm."""
        return type(self)(ask(self._handle.log))

    def sqrt(self):
        """The square roots; NaN of negative numbers."""
        return type(self)(ask(self._handle.sqrt))

    def tanh(self):
        """The hyperbolic tangents."""
        return type(self)(ask(self._handle.tanh))

    def sigmoid(self):
        """`1 / (1 + exp(-self))`"""
        return type(self)(ask(self._handle.sigmoid))

    def relu(self):
        """Each element, but at least 0."""
        return type(self)(ask(self._handle.relu))

    def gelu(self):
        """The exact GELU, by the error function."""
        return type(self)(ask(self._handle.gelu))

    def eq(self, other):
        """`self == other`"""
        if is_number(other):
            return type(self)(ask(self._handle.eq_scalar, scalar(other)))
        return type(self)(ask(self._handle.eq, handle(other)))

    def __eq__(self, other):
        return self.eq(other) if isinstance(other, Operations) or is_number(other) else NotImplemented

    def ne(self, other):
        """`self != other`"""
        if is_number(other):
            return type(self)(ask(self._handle.ne_scalar, scalar(other)))
        return type(self)(ask(self._handle.ne, handle(other)))

    def __ne__(self, other):
        return self.ne(other) if isinstance(other, Operations) or is_number(other) else NotImplemented

    def lt(self, other):
        """`self < other`"""
        if is_number(other):
            return type(self)(ask(self._handle.lt_scalar, scalar(other)))
        return type(self)(ask(self._handle.lt, handle(other)))

    def __lt__(self, other):
        return self.lt(other) if isinstance(other, Operations) or is_number(other) else NotImplemented

    def le(self, other):
        """`self <= other`"""
        if is_number(other):
            return type(self)(ask(self._handle.le_scalar, scalar(other)))
        return type(self)(ask(self._handle.le, handle(other)))

    def __le__(self, other):
        return self.le(other) if isinstance(other, Operations) or is_number(other) else NotImplemented

    def gt(self, other):
        """`self > other`"""
        if is_number(other):
            return type(self)(ask(self._handle.gt_scalar, scalar(other)))
        return type(self)(ask(self._handle.gt, handle(other)))

    def __gt__(self, other):
        return self.gt(other) if isinstance(other, Operations) or is_number(other) else NotImplemented

    def ge(self, other):
        """`self >= other`"""
        if is_number(other):
            return type(self)(ask(self._handle.ge_scalar, scalar(other)))
        return type(self)(ask(self._handle.ge, handle(other)))

    def __ge__(self, other):
        return self.ge(other) if isinstance(other, Operations) or is_number(other) else NotImplemented

    def logical_and(self, other):
        """True where both are not zero."""
        return type(self)(ask(self._handle.logical_and, handle(other)))

    def logical_or(self, other):
        """True where one or both are not zero."""
        return type(self)(ask(self._handle.logical_or, handle(other)))

    def logical_not(self):
        """True where the element is zero."""
        return type(self)(ask(self._handle.logical_not))

    def where(self, condition, other):
        """`self` where `condition` (a `boolean` tensor) holds and `other` elsewhere; all three broadcast."""
        return type(self)(ask(self._handle.where, handle(condition), handle(other)))

    def sum(self, dim=None, keepdim=False):
        """The sum over `dim`. Integers and `boolean` give `int64`."""
        return type(self)(ask(self._handle.sum, dimensions(dim), bool(keepdim)))

    def mean(self, dim=None, keepdim=False):
        """The mean over `dim` of a floating-point tensor."""
        return type(self)(ask(self._handle.mean, dimensions(dim), bool(keepdim)))

    def logsumexp(self, dim=None, keepdim=False):
        """
        The logarithm of the sum of the exponentials over `dim` of a floating-point tensor, computed stably: what a
        softmax divides by, for losses that are made of parts of one.
        """
        return type(self)(ask(self._handle.logsumexp, dimensions(dim), bool(keepdim)))

    def amax(self, dim=None, keepdim=False):
        """The largest elements over `dim`; a gradient is shared evenly among equal ones."""
        return type(self)(ask(self._handle.max, dimensions(dim), bool(keepdim)))

    def amin(self, dim=None, keepdim=False):
        """The smallest elements over `dim`; a gradient is shared evenly among equal ones."""
        return type(self)(ask(self._handle.min, dimensions(dim), bool(keepdim)))

    def norm(self, p=2.0, dim=None, keepdim=False):
        """The `p`-norm over `dim` of a floating-point tensor: 2 for the Euclidean one."""
        return type(self)(ask(self._handle.norm, real(p), dimensions(dim), bool(keepdim)))

    def any(self, dim=None, keepdim=False):
        """Whether any element over `dim` is not zero."""
        return type(self)(ask(self._handle.any, dimensions(dim), bool(keepdim)))

    def all(self, dim=None, keepdim=False):
        """Whether no element over `dim` is zero."""
        return type(self)(ask(self._handle.all, dimensions(dim), bool(keepdim)))

    def argmax(self, dim, keepdim=False):
        """
        The index of the largest element along `dim`, as `int64`. The dimension vanishes, or stays with size 1 if
        `keepdim`.
        """
        return type(self)(ask(self._handle.argmax, integer(dim), bool(keepdim)))

    def softmax(self, dim):
        """Softmax of a floating-point tensor along `dim`."""
        return type(self)(ask(self._handle.softmax, integer(dim)))

    def log_softmax(self, dim):
        """The logarithm of the softmax along `dim`, computed stably."""
        return type(self)(ask(self._handle.log_softmax, integer(dim)))

    def matmul(self, other):
        """
        The matrix product: `[…, n, k]` by `[…, k, m]` gives `[…, n, m]`; the dimensions in front broadcast; one
        dimension is a vector. Both tensors have one kind.

        Errors: `bad-shape`, `bad-kind`, `over-limit`.
        """
        return type(self)(ask(self._handle.matmul, handle(other)))

    def __matmul__(self, other):
        return self.matmul(other) if isinstance(other, Operations) else NotImplemented

    def gather(self, dim, index):
        """
        The elements that `index` (`int64`, of as many dimensions) names: each of its elements picks the element of
        `self` at that index of `dim` and its own place elsewhere.

        Errors: `bad-dimension`, `bad-shape`, `bad-kind`; for an index outside `bad-argument` with the permission
        `read-values`, while without it the call ends, because the error would tell what the index holds.
        """
        return type(self)(ask(self._handle.gather, integer(dim), handle(index)))

    def index_select(self, dim, index):
        """
        The parts of `dim` that `index` (`int64`, `[n]`) names: `[a, b]` becomes `[a, n]` for dim 1.

        Errors: as for `gather`.
        """
        return type(self)(ask(self._handle.index_select, integer(dim), handle(index)))

    def masked_fill(self, mask, value):
        """
        `value` where `mask` (`boolean`, broadcast to `self`) holds and `self` elsewhere.

        Errors: `bad-kind`, `bad-shape`, `over-limit`.
        """
        return type(self)(ask(self._handle.masked_fill, handle(mask), scalar(value)))

    def masked_select(self, mask):
        """
        The elements where `mask` (`boolean`; both broadcast) holds, as `[n]`. How many there are tells what the mask
        holds, so the experiment must permit it; a loss that multiplies by the mask needs no permission.

        Errors: `not-permitted`, `bad-kind`, `bad-shape`, `over-limit`.

        Needs the permission `read-values`.
        """
        return type(self)(ask(self._handle.masked_select, handle(mask)))
