use tch::Tensor;

use crate::Result;

/// The logits at the positions that a mask keeps: `[batch, length, labels]` and `[batch, length]` give
/// `[selected, labels]`, in order. Logits of `[batch, labels]` have no positions and are returned as they are.
pub fn select_logits(logits: &Tensor, mask: &Tensor) -> Result<Tensor> {
    if logits.dim() != 3 {
        return Ok(logits.shallow_clone());
    }
    let positions = mask.f_flatten(0, -1)?.f_nonzero()?.f_squeeze_dim(-1)?;
    Ok(logits.f_flatten(0, 1)?.f_index_select(0, &positions)?)
}

/// Swaps, in each row of the teacher's logits, the largest logit with the label's, so that the label's is the largest
/// (Wen et al., “Preparing Lessons: Improve Knowledge Distillation with Better Supervision”, arXiv:1911.07471).
/// `[…, labels]` and integer labels `[…]`; rows whose label is negative are left alone. The input is not changed.
pub fn probability_shift(logits: &Tensor, labels: &Tensor) -> Result<Tensor> {
    let largest_at = logits.f_argmax(-1, true)?;
    let labels = labels.f_to_kind(tch::Kind::Int64)?.f_unsqueeze(-1)?;
    let label_at = labels.f_where_self(&labels.f_ge(0)?, &largest_at)?;
    let largest = logits.f_gather(-1, &largest_at, false)?;
    let of_label = logits.f_gather(-1, &label_at, false)?;
    Ok(logits.f_scatter(-1, &largest_at, &of_label)?.f_scatter(-1, &label_at, &largest)?)
}
