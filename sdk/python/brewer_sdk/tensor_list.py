"""Tensors in order, such as the hidden states of all layers."""

from wit_world.imports import tensor as contract

from .arguments import handle, integer, position
from .errors import ask
from .tensor import Tensor


class TensorList:
    """Tensors in order. A list of a model's outputs is lazy: a tensor of it is read when it is taken out, and passing
    the list on reads nothing. A slice is a lazy list as well."""

    __slots__ = ("_handle", "__weakref__")

    def __init__(self, handle: contract.TensorList | None = None):
        self._handle = contract.TensorList() if handle is None else handle

    @classmethod
    def of(cls, tensors) -> "TensorList":
        """A list of these tensors."""
        if isinstance(tensors, cls):
            return tensors
        made = cls()
        for tensor in tensors:
            made.append(tensor)
        return made

    def append(self, tensor: Tensor) -> None:
        """Adds a tensor at the end."""
        ask(self._handle.push, handle(tensor))

    def __len__(self) -> int:
        return self._handle.len()

    def __getitem__(self, index):
        """Reads a tensor, or narrows the list without reading."""
        length = len(self)
        if isinstance(index, slice):
            start, stop, step = index.indices(length)
            if step != 1:
                raise ValueError(f"the step of a slice of tensors is {step}; expected 1")
            return TensorList(ask(self._handle.narrow, start, max(stop - start, 0)))
        number = integer(index)
        if not -length <= number < length:
            raise IndexError(f"there is no tensor {number} in a list of {length}")
        return Tensor(ask(self._handle.get, position(number % length)))

    def __iter__(self):
        return (self[index] for index in range(len(self)))

    def cat(self, dim: int = 0) -> Tensor:
        """The tensors joined along a dimension that they have."""
        return Tensor(ask(self._handle.cat, integer(dim)))

    def stack(self, dim: int = 0) -> Tensor:
        """The tensors, all of one shape, joined along a new dimension."""
        return Tensor(ask(self._handle.stack, integer(dim)))

    def __repr__(self) -> str:
        return f"TensorList(of {len(self)})"
