"""The squared distance of the softened logits of both sides."""

from brewer_sdk import kd_loss


@kd_loss
def loss(inputs):
    soften = inputs.temperature.soften
    return (soften(inputs.student) - soften(inputs.teacher)).pow(2).mean()
