"""Every role in one component: what it does, the ones in other languages do as well."""

import struct

from brewer_sdk import (
    adaptor, batch_postprocessor, config, kd_loss, match_loss, state, step, temperature_scheduler, weight_scheduler,
)  # fmt: skip
from brewer_sdk.callback import (
    batches, callback, forward, metric, metric_names, parameter_names, parameter_shape, parameter_statistics, report, splits,
)  # fmt: skip


@adaptor
def adapt(batch, outputs):
    return {"logits": outputs["logits"]}


@batch_postprocessor
def process(batch, context):
    batch["next_ids"] = batch["input_ids"] + 1
    del batch["token_type_ids"]


@kd_loss
def kd(inputs):
    soften = inputs.temperature.soften
    rows = (soften(inputs.student) - soften(inputs.teacher)).pow(2).mean(-1)
    if inputs.labels is not None:
        counts = (inputs.labels != -100).float()
        rows = rows * counts / counts.mean()
    return rows.mean() * inputs.temperature.values.float() * (inputs.temperature.value or 0)


@match_loss(num_layers=2)
def match(inputs):
    total = 0
    for student, teacher in zip(inputs.student, inputs.teacher):
        squares = (student - teacher).pow(2).mean(-1)
        if inputs.mask is not None:
            mask = inputs.mask.float()
            squares = squares * mask / mask.mean()
        total = squares.mean() + total
    return total


@temperature_scheduler
def choose(student, teacher, base):
    return base / 2 if base > 5 else teacher.softmax(-1).amax(-1) * base


calls, mean = 0, 0.0


@weight_scheduler
def weight(progress):
    """The square of the progress, and the running mean of what it was in the calls before."""
    global calls, mean
    now = step()
    assert (now.step, now.global_step, now.progress, now.is_student, now.teacher) == (3, 3, progress, False, None), now
    chosen = progress**2 + mean
    calls += 1
    mean += (progress - mean) / calls
    return chosen


def save():
    """Of no call there is nothing to remember."""
    if config().get("save") == "a number":
        return calls
    return bytearray(struct.pack("<Qd", calls, mean)) if calls else b""


def restore(data):
    global calls, mean
    calls, mean = struct.unpack("<Qd", data) if data else (0, 0.0)


state(save, restore)


@callback
def on_checkpoint(step):
    report("numbers", len(metric_names()))
    report("splits", len(splits()))
    rows = [batch["input_ids"].shape[0] for batch in batches("dev")]
    report("rows", sum(rows))
    report("logits", sum(forward(batch, "logits")["logits"].mean().item() for batch in batches("dev")))
    batch = next(iter(batches("train")))
    report("trained", forward(batch, "logits", "loss", train=True)["loss"].item())
    report("parameters", len(parameter_names()))
    report("rank", len(parameter_shape("w")))
    report("norm", parameter_statistics("w").norm)
    report("at_step", step)
    return metric("dev_accuracy") > 0.9
