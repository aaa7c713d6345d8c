"""Losses with the names and definitions of `torch.nn.functional`. All are differentiable.

`reduction` is `"none"`, `"mean"` or `"sum"`; `kl_div` also takes torch's `"batchmean"`. In `cross_entropy` classes are the
last dimension whatever the number of dimensions, unlike torch's: tokens need no reshaping.
"""

from typing import Literal

from .generated import losses
from .generated.losses import *  # noqa: F403
from .tensor import Tensor


def kl_div(
    input: Tensor,
    target: Tensor,
    reduction: Literal["none", "mean", "sum", "batchmean"] = "mean",
    log_target: bool = False,
) -> Tensor:
    """`target * (log(target) - input)`: `input` holds log-probabilities, `target` probabilities of the same shape, or
    log-probabilities if `log_target`."""
    if reduction == "batchmean":
        return losses._kl_div(input, target, log_target, "sum") / len(input)
    return losses._kl_div(input, target, log_target, reduction)
