"""`tensor[…]`: integers, slices, `None`, `...`, and one tensor as an index or a mask."""

from wit_world.imports import tensor as contract

from . import kinds
from .arguments import integer
from .errors import ask


def dimension(dim, ndim: int) -> int:
    """`dim` counted from the front."""
    number = integer(dim)
    if not -ndim <= number < ndim:
        raise IndexError(f"a tensor of {ndim} dimensions has no dimension {number}")
    return number % ndim


def get(tensor, index):
    """What `tensor[index]` is."""
    if isinstance(index, type(tensor)):
        return _by_tensor(tensor, index)
    parts = list(index) if isinstance(index, tuple) else [index]
    taken = sum(1 for part in parts if part is not None and part is not Ellipsis)
    ellipses = [position for position, part in enumerate(parts) if part is Ellipsis]
    if len(ellipses) > 1:
        raise IndexError("an index holds one `...` at most")
    if taken > tensor.ndim:
        raise IndexError(f"{taken} indices for a tensor of {tensor.ndim} dimensions")
    if ellipses:
        parts[ellipses[0] : ellipses[0] + 1] = [slice(None)] * (tensor.ndim - taken)
    dim = 0
    for part in parts:
        if part is None:
            tensor, dim = tensor.unsqueeze(dim), dim + 1
        elif isinstance(part, slice):
            tensor, dim = _slice(tensor, dim, part), dim + 1
        elif isinstance(part, type(tensor)):
            raise TypeError("a tensor is an index on its own; use index_select, gather or masked_select")
        else:
            tensor = tensor.select(dim, part)
    return tensor


def _by_tensor(tensor, index):
    if index.dtype == kinds.boolean:
        if index.shape != tensor.shape:
            raise IndexError(f"a mask of shape {list(index.shape)} for a tensor of shape {list(tensor.shape)}")
        return tensor.masked_select(index)
    return tensor.index_select(0, index)


def _slice(tensor, dim, part):
    if part == slice(None):
        return tensor
    start, stop, step = part.indices(tensor.shape[dim])
    if step < 1:
        raise ValueError(f"the step of a slice is {step}; expected a positive one")
    if step == 1:
        return tensor.narrow(dim, start, max(stop - start, 0))
    bounds = [contract.Scalar_Int(bound) for bound in (start, max(start, stop), step)]
    return tensor.index_select(dim, type(tensor)(ask(contract.arange, *bounds, kinds.int64)))
