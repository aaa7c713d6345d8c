// Generated from wit/ by `cargo xtask sdk`; do not edit.
use crate::{
    Result, Tensor,
    bindings::brewer::plugin::losses::{self, Reduction},
    losses::IGNORED,
};

/// The cross-entropy of logits `[…, classes]` and labels `[…]`: integers in 0..classes, or [`IGNORED`] for positions
/// that do not count. `Reduction::None` gives `[…]`; a mean over no position at all is NaN.
///
/// Errors: `bad-kind`, `bad-shape`; for a label outside the classes `bad-argument` with the permission `read-values`,
/// while without it the call ends, because the error would tell what the labels hold.
pub fn cross_entropy(logits: &Tensor, labels: &Tensor, reduction: Reduction) -> Result<Tensor> {
    Ok(Tensor::new(losses::cross_entropy(logits.handle(), labels.handle(), IGNORED, reduction)?))
}

/// The cross-entropy of logits `[…, classes]` and labels `[…]`: integers in 0..classes, or `ignore_index` (PyTorch's is
/// -100) for positions that do not count. `Reduction::None` gives `[…]`; a mean over no position at all is NaN.
///
/// Errors: `bad-kind`, `bad-shape`; for a label outside the classes `bad-argument` with the permission `read-values`,
/// while without it the call ends, because the error would tell what the labels hold.
pub fn cross_entropy_ignoring(
    logits: &Tensor,
    labels: &Tensor,
    ignore_index: i64,
    reduction: Reduction,
) -> Result<Tensor> {
    Ok(Tensor::new(losses::cross_entropy(logits.handle(), labels.handle(), ignore_index, reduction)?))
}

/// The squared difference of two floating-point tensors of one shape.
///
/// Errors: `bad-kind`, `bad-shape`.
pub fn mean_squared_error(input: &Tensor, target: &Tensor, reduction: Reduction) -> Result<Tensor> {
    Ok(Tensor::new(losses::mean_squared_error(input.handle(), target.handle(), reduction)?))
}

/// `target * (log(target) - input)`: `input` holds log-probabilities, `target` of the same shape probabilities.
/// `Reduction::Mean` divides by the number of elements; for the mean over a batch divide the sum by its size.
///
/// Errors: `bad-kind`, `bad-shape`.
pub fn kl_divergence(input: &Tensor, target: &Tensor, reduction: Reduction) -> Result<Tensor> {
    Ok(Tensor::new(losses::kl_divergence(input.handle(), target.handle(), false, reduction)?))
}

/// `exp(target) * (target - input)`: both hold log-probabilities and have one shape. `Reduction::Mean` divides by the
/// number of elements; for the mean over a batch divide the sum by its size.
///
/// Errors: `bad-kind`, `bad-shape`.
pub fn kl_divergence_of_logs(input: &Tensor, target: &Tensor, reduction: Reduction) -> Result<Tensor> {
    Ok(Tensor::new(losses::kl_divergence(input.handle(), target.handle(), true, reduction)?))
}

/// The cross-entropy of `sigmoid(logits)` and targets in 0..1, floating-point tensors of one shape.
///
/// Errors: `bad-kind`, `bad-shape`.
pub fn binary_cross_entropy_with_logits(logits: &Tensor, targets: &Tensor, reduction: Reduction) -> Result<Tensor> {
    Ok(Tensor::new(losses::binary_cross_entropy_with_logits(logits.handle(), targets.handle(), reduction)?))
}

/// The cosine of the angle between two floating-point tensors of one shape along a dimension, which vanishes from the
/// shape.
///
/// Errors: `bad-kind`, `bad-shape`, `bad-dimension`.
pub fn cosine_similarity(left: &Tensor, right: &Tensor, dim: i64) -> Result<Tensor> {
    Ok(Tensor::new(losses::cosine_similarity(left.handle(), right.handle(), dim)?))
}
