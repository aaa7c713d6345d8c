"""The role of a callback: what happens at a checkpoint."""

from wit_world.exports.callback import Action
from wit_world.imports import dataset as data
from wit_world.imports import metrics as numbers
from wit_world.imports import model as student

from .arguments import text
from .errors import ask
from .guard import export, guarded
from .types import Batch, Outputs


def callback(on_checkpoint):
    """Makes a function the plugin's callback. It takes the number of optimizer steps done; if it returns True the run
    ends there, as if it had finished."""

    def run(step):
        return Action.STOP if on_checkpoint(step) else Action.CONTINUE

    return export(on_checkpoint, "Callback", on_checkpoint=lambda _, step: guarded(lambda: run(step)))


def splits() -> list:
    """The names of the data that there is: `train`, `dev`. Needs the permission `dataset`."""
    return ask(data.splits)


def batches(split: str):
    """The batches of a split, one after the other. Needs the permission `dataset`."""
    return (Batch(ask(data.read_batch, split, index)) for index in range(ask(data.num_batches, text(split))))


def forward(batch: Batch, *wanted: str, train: bool = False) -> Outputs:
    """Runs the student on a batch, without gradients; `wanted` names the outputs to compute. With `train` dropout is
    active."""
    mode = student.Mode.TRAIN if train else student.Mode.EVAL
    return Outputs(ask(student.forward, batch._handle, [text(name) for name in wanted], mode))


def parameter_names() -> list:
    """The names of the student's parameters, as in the checkpoint. Needs the permission `parameters`."""
    return ask(student.parameter_names)


def parameter_shape(name: str) -> tuple:
    """The shape of a parameter. Needs the permission `parameters`."""
    return tuple(ask(student.parameter_shape, text(name)))


def parameter_statistics(name: str) -> student.Statistics:
    """`mean`, `std`, `norm`, `min`, `max` and `count` of a parameter's elements."""
    return ask(student.parameter_statistics, text(name))


def metric_names() -> list:
    """The names of the numbers that were reported at this checkpoint."""
    return ask(numbers.names)


def metric(name: str) -> float:
    """A number that was reported at this checkpoint, such as `dev_loss`."""
    return ask(numbers.value, text(name))


def report(name: str, value: float) -> None:
    """Reports a number: it lands in `metrics.jsonl` and on the progress line."""
    ask(numbers.report, text(name), float(value))

