"""The roles of losses and of what weighs them."""

from .arguments import handle
from .guard import export, guarded
from .tensor import Tensor


def kd_loss(loss):
    """Makes a function the plugin's KD loss. It takes `KdInputs` and returns one number for each row, `[rows]`, or a tensor
    of one element, which an experiment with `kd_chunk_rows` refuses; computed from `inputs.student` by differentiable
    operations."""
    from .loss_inputs import KdInputs

    return export(loss, "KdLoss", loss=lambda _, inputs: guarded(lambda: handle(loss(KdInputs.read(inputs)))))


def match_loss(loss=None, *, num_layers: int = 1):
    """Makes a function the plugin's match loss, of one layer of each side or of `num_layers`. It takes `MatchInputs` and
    returns a tensor of one element, computed from `inputs.student` by differentiable operations."""
    if loss is None:
        return lambda loss: match_loss(loss, num_layers=num_layers)
    from .loss_inputs import MatchInputs

    return export(
        loss,
        "MatchLoss",
        num_layers=lambda _: num_layers,
        loss=lambda _, inputs: guarded(lambda: handle(loss(MatchInputs.read(inputs)))),
    )


def temperature_scheduler(choose):
    """Makes a function the plugin's temperature scheduler. It takes the logits of student and teacher, of one shape
    `[rows, classes]` and without gradients, and the experiment's `temperature`; it returns a number, or a tensor `[rows]`."""
    from .loss_inputs import temperature

    return export(
        choose,
        "TemperatureScheduler",
        choose=lambda _, student, teacher, base: guarded(
            lambda: temperature(choose(Tensor(student), Tensor(teacher), base))
        ),
    )


def weight_scheduler(weight):
    """Makes a function the plugin's weight scheduler. It takes the share of optimizer steps done, in 0..1, and returns a
    number."""
    return export(weight, "WeightScheduler", weight=lambda _, progress: guarded(lambda: float(weight(progress))))
