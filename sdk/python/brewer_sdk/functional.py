"""Losses with the names and definitions of `torch.nn.functional`. All are differentiable.

`reduction` is `"none"`, `"mean"` or `"sum"`; `kl_div` also takes torch's `"batchmean"`.
"""

from wit_world.imports import losses
from wit_world.imports.losses import Reduction

from .arguments import integer
from .errors import ask
from .tensor import Tensor, handle

_REDUCTIONS = {"none": Reduction.NONE, "mean": Reduction.MEAN, "sum": Reduction.SUM}


def cross_entropy(input: Tensor, target: Tensor, ignore_index: int = -100, reduction: str = "mean") -> Tensor:
    """The cross-entropy of logits `[…, classes]` and labels `[…]` (`int64`). Labels of `ignore_index` do not count.

    Unlike torch's, classes are the last dimension whatever the number of dimensions: tokens need no reshaping.
    """
    return Tensor(
        ask(losses.cross_entropy, handle(input), handle(target), integer(ignore_index), _reduction(reduction))
    )


def mse_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """The squared difference of two tensors of one shape."""
    return Tensor(ask(losses.mean_squared_error, handle(input), handle(target), _reduction(reduction)))


def kl_div(input: Tensor, target: Tensor, reduction: str = "mean", log_target: bool = False) -> Tensor:
    """`target * (log(target) - input)`: `input` holds log-probabilities, `target` probabilities of the same shape, or
    log-probabilities if `log_target`."""
    if reduction == "batchmean":
        return kl_div(input, target, "sum", log_target) / len(input)
    arguments = (handle(input), handle(target), bool(log_target), _reduction(reduction))
    return Tensor(ask(losses.kl_divergence, *arguments))


def binary_cross_entropy_with_logits(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """The cross-entropy of `sigmoid(input)` and targets in 0..1, of one shape."""
    return Tensor(
        ask(losses.binary_cross_entropy_with_logits, handle(input), handle(target), _reduction(reduction))
    )


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1) -> Tensor:
    """The cosine of the angle between two tensors of one shape along `dim`, which vanishes from the shape."""
    return Tensor(ask(losses.cosine_similarity, handle(x1), handle(x2), integer(dim)))


def _reduction(name):
    if name not in _REDUCTIONS:
        raise ValueError(f"the reduction is {name!r}; expected one of {', '.join(_REDUCTIONS)}")
    return _REDUCTIONS[name]
