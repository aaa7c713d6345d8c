"""What losses and temperatures are computed from."""

from dataclasses import dataclass

from wit_world.imports import loss_inputs as contract

from .arguments import handle, is_number
from .errors import ask
from .tensor import Tensor
from .tensor_list import TensorList


class Temperature:
    """What logits are divided by before the softmax: one number, or one for each row of logits."""

    __slots__ = ("_handle",)

    def __init__(self, handle: contract.Temperature):
        self._handle = handle

    @property
    def value(self) -> float | None:
        """The number; None if there is one for each row."""
        return self._handle.value()

    @property
    def values(self) -> Tensor:
        """One for each row, `[rows]`; a scalar tensor if it is one number."""
        return Tensor(ask(self._handle.values))

    def soften(self, logits: Tensor) -> Tensor:
        """The logits `[rows, classes]` divided by the temperature, whichever of both it is."""
        return Tensor(ask(self._handle.soften, handle(logits)))


def temperature(chosen) -> contract.Temperature:
    """The temperature that a scheduler returned: a number, or a tensor with one for each row."""
    if is_number(chosen):
        return contract.Temperature(float(chosen))
    return ask(contract.Temperature.per_example, handle(chosen))


@dataclass(frozen=True)
class KdInputs:
    """What a KD loss compares: logits, `[rows, classes]`."""

    student: Tensor
    """Before any softmax, with a gradient."""
    teacher: Tensor
    """Without a gradient."""
    temperature: Temperature
    labels: Tensor | None
    """Integers `[rows]`, -100 where a row has none."""

    @classmethod
    def read(cls, inputs: contract.KdInputs) -> "KdInputs":
        return cls(
            Tensor(ask(inputs.student)),
            Tensor(ask(inputs.teacher)),
            Temperature(ask(inputs.temperature)),
            Tensor(ask(inputs.labels)) if inputs.has_labels() else None,
        )


@dataclass(frozen=True)
class MatchInputs:
    """What a match loss compares: hidden states `[batch, length, hidden]` or attention maps
    `[batch, heads, length, length]`, as many of each side as it asked for."""

    student: list
    """After the projection, with gradients."""
    teacher: list
    """Without gradients."""
    mask: Tensor | None
    """`[batch, length]`, 1 for tokens and 0 for padding; without one every position counts."""

    @classmethod
    def read(cls, inputs: contract.MatchInputs) -> "MatchInputs":
        return cls(
            list(TensorList(ask(inputs.student))),
            list(TensorList(ask(inputs.teacher))),
            Tensor(ask(inputs.mask)) if inputs.has_mask() else None,
        )
