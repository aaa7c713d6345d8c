//! Losses with PyTorch's definitions. All are differentiable.

pub use crate::bindings::brewer::plugin::losses::Reduction;
use crate::{Result, Tensor, bindings::brewer::plugin::losses};

/// The label that counts for nothing, as in PyTorch.
pub const IGNORED: i64 = -100;

/// The cross-entropy of logits `[…, classes]` and labels `[…]` (`Int64`); labels of [`IGNORED`] do not count.
pub fn cross_entropy(logits: &Tensor, labels: &Tensor, reduction: Reduction) -> Result<Tensor> {
    cross_entropy_ignoring(logits, labels, IGNORED, reduction)
}

/// The same with another label that does not count.
pub fn cross_entropy_ignoring(logits: &Tensor, labels: &Tensor, ignore: i64, reduction: Reduction) -> Result<Tensor> {
    Ok(Tensor::new(losses::cross_entropy(logits.handle(), labels.handle(), ignore, reduction)?))
}

/// The squared difference of two tensors of one shape.
pub fn mean_squared_error(input: &Tensor, target: &Tensor, reduction: Reduction) -> Result<Tensor> {
    Ok(Tensor::new(losses::mean_squared_error(input.handle(), target.handle(), reduction)?))
}

/// `target * (log(target) - input)`: `input` holds log-probabilities, `target` probabilities of the same shape.
pub fn kl_divergence(input: &Tensor, target: &Tensor, reduction: Reduction) -> Result<Tensor> {
    Ok(Tensor::new(losses::kl_divergence(input.handle(), target.handle(), false, reduction)?))
}

/// The same with log-probabilities as target.
pub fn kl_divergence_of_logs(input: &Tensor, target: &Tensor, reduction: Reduction) -> Result<Tensor> {
    Ok(Tensor::new(losses::kl_divergence(input.handle(), target.handle(), true, reduction)?))
}

/// The cross-entropy of `sigmoid(logits)` and targets in 0..1, of one shape.
pub fn binary_cross_entropy_with_logits(logits: &Tensor, targets: &Tensor, reduction: Reduction) -> Result<Tensor> {
    Ok(Tensor::new(losses::binary_cross_entropy_with_logits(logits.handle(), targets.handle(), reduction)?))
}

/// The cosine of the angle between two tensors of one shape along `dim`, which vanishes from the shape.
pub fn cosine_similarity(left: &Tensor, right: &Tensor, dim: i64) -> Result<Tensor> {
    Ok(Tensor::new(losses::cosine_similarity(left.handle(), right.handle(), dim)?))
}
