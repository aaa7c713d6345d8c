use tch::{Device, Reduction, Tensor};

use crate::Result;
use crate::model::inputs::{check_integers, check_range};

/// The label that counts for nothing.
const IGNORED: i64 = -100;

/// The mean cross-entropy of `logits` `[…, labels]` against `labels` `[…]`, a scalar. A label of −100 is ignored; the
/// mean over none is NaN, as in torch.
pub(super) fn loss(logits: &Tensor, labels: &Tensor) -> Result<Tensor> {
    let shape = logits.size();
    let Some((&num_labels, shape)) = shape.split_last() else { return Ok(logits.shallow_clone()) };
    check_integers("labels", labels, shape, logits.device())?;
    if labels.device() == Device::Cpu {
        let counted = labels.f_masked_select(&labels.f_ne(IGNORED)?)?;
        check_range("labels", &counted, num_labels, "classes, and -100 is ignored")?;
    }
    Ok(logits.f_reshape([-1, num_labels])?.f_cross_entropy_loss(
        &labels.f_reshape([-1])?.f_to_kind(tch::Kind::Int64)?,
        None::<&Tensor>,
        Reduction::Mean,
        IGNORED,
        0.0,
    )?)
}
