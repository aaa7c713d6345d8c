# Generated from wit/ by `cargo xtask sdk`; do not edit.
"""Losses with PyTorch's definitions."""

from wit_world.imports import losses as contract

from ..arguments import handle, integer, reduction_of
from ..errors import ask
from ..tensor import Tensor

__all__ = ["cross_entropy", "mse_loss", "binary_cross_entropy_with_logits", "cosine_similarity"]


def cross_entropy(input, target, ignore_index=-100, reduction="mean"):
    """
    The cross-entropy of logits `[…, classes]` and labels `[…]`: integers in 0..classes, or `ignore_index` (PyTorch's is
    -100) for positions that do not count. `"none"` gives `[…]`; a mean over no position at all is NaN.

    Errors: `bad-kind`, `bad-shape`; for a label outside the classes `bad-argument` with the permission `read-values`,
    while without it the call ends, because the error would tell what the labels hold.
    """
    return Tensor(
        ask(contract.cross_entropy, handle(input), handle(target), integer(ignore_index), reduction_of(reduction))
    )


def mse_loss(input, target, reduction="mean"):
    """
    The squared difference of two floating-point tensors of one shape.

    Errors: `bad-kind`, `bad-shape`.
    """
    return Tensor(ask(contract.mean_squared_error, handle(input), handle(target), reduction_of(reduction)))


def _kl_div(input, target, log_target=False, reduction="mean"):
    """
    `target * (log(target) - input)`: `input` holds log-probabilities, `target` of the same shape probabilities, or
    log-probabilities if `log_target`. `"mean"` divides by the number of elements; for the mean over a batch divide the
    sum by its size.

    Errors: `bad-kind`, `bad-shape`.
    """
    return Tensor(ask(contract.kl_divergence, handle(input), handle(target), bool(log_target), reduction_of(reduction)))


def binary_cross_entropy_with_logits(input, target, reduction="mean"):
    """
    The cross-entropy of `sigmoid(input)` and targets in 0..1, floating-point tensors of one shape.

    Errors: `bad-kind`, `bad-shape`.
    """
    return Tensor(
        ask(contract.binary_cross_entropy_with_logits, handle(input), handle(target), reduction_of(reduction))
    )


def cosine_similarity(x1, x2, dim=1):
    """
    The cosine of the angle between two floating-point tensors of one shape along a dimension, which vanishes from the
    shape.

    Errors: `bad-kind`, `bad-shape`, `bad-dimension`.
    """
    return Tensor(ask(contract.cosine_similarity, handle(x1), handle(x2), integer(dim)))
