"""The squared distance of two layers, of the positions that are no padding."""

from brewer_sdk import match_loss


@match_loss
def loss(inputs):
    squares = (inputs.student[0] - inputs.teacher[0]).pow(2).mean(-1)
    if inputs.mask is None:
        return squares.mean()
    mask = inputs.mask.float()
    return (squares * mask).sum() / mask.sum()
