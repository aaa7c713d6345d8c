"""What a call gets: the batch, the model's outputs, and where in the run it happens."""

from wit_world.imports import types as contract

from .arguments import handle, text
from .errors import TensorError, ask
from .tensor import Tensor
from .tensor_list import TensorList


class Context:
    """Where in a run a call happens."""

    __slots__ = ("is_student", "teacher", "task", "step")

    def __init__(self, context: contract.Context):
        teacher = getattr(context.model, "value", None)
        self.is_student: bool = teacher is None
        """Whether the outputs are the student's."""
        self.teacher: int | None = teacher
        """The index of the teacher, 0 when there is one; None for the student."""
        self.task: str | None = context.task
        """The task's name where the experiment has several."""
        self.step: int = context.step
        """The forward step, counted from 0."""


class _Mapping:
    """Names to what is read when it is asked for, like a dict that cannot be changed."""

    __slots__ = ("_handle",)

    def __init__(self, handle):
        self._handle = handle

    def keys(self) -> list:
        """All names, whether computed or not."""
        return self._handle.names()

    def __contains__(self, name) -> bool:
        return self._handle.has(text(name))

    def __iter__(self):
        return iter(self.keys())

    def __len__(self) -> int:
        return len(self.keys())

    def get(self, name: str, default=None):
        """What `[name]` gives, or `default` if there is nothing of that name."""
        return self[name] if name in self else default


class Batch(_Mapping):
    """The batch that the model was called with: `batch["labels"]`. The first dimension of each tensor is the batch."""

    __slots__ = ()

    def __getitem__(self, name: str) -> Tensor:
        return Tensor(ask(self._handle.tensor, text(name)))


class EditableBatch(Batch):
    """A batch that is the plugin's to change."""

    __slots__ = ()

    def __setitem__(self, name: str, tensor: Tensor) -> None:
        ask(self._handle.insert, text(name), handle(tensor))

    def __delitem__(self, name: str) -> None:
        ask(self._handle.remove, text(name))


class Outputs(_Mapping):
    """What the model returned, by Hugging Face's names: `outputs["logits"]` is a tensor, `outputs["hidden_states"]` a
    lazy list. What no plugin and no loss reads is not computed: ask for what you need, when you need it."""

    __slots__ = ()

    def __getitem__(self, name: str) -> Tensor | TensorList:
        return _read(self._handle, text(name))

    def __getattr__(self, name: str) -> Tensor | TensorList:
        """`outputs.logits`, as of a Hugging Face model."""
        if name.startswith("_") or name not in self:
            raise AttributeError(f"the model returns no `{name}`; it returns {', '.join(self.keys())}")
        return self[name]


_LISTS: set = set()
"""The names of outputs that turned out to be lists: those are asked for as lists at once."""


def _read(handle, name):
    """A tensor or a list, whichever it is. Asking in the wrong way reads nothing."""
    readers = [(handle.tensor, Tensor), (handle.list, TensorList)]
    if name in _LISTS:
        readers.reverse()
    (first, kind), (second, other) = readers
    try:
        return kind(ask(first, name))
    except TensorError as error:
        if error.code != "bad-argument":
            raise
    read = other(ask(second, name))
    (_LISTS.add if other is TensorList else _LISTS.discard)(name)
    return read
