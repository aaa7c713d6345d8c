use tch::{Kind, Reduction, Tensor};

use super::{ATTENTION_FORM, MatchLoss, same_shape};
use crate::Result;

/// Mean squared error of attention maps `[batch, heads, length, length]`
/// (Jiao et al., “TinyBERT”, arXiv:1909.10351). With a mask, squares count where both query and key are tokens and
/// are divided by `heads · Σ length²` of the true lengths.
pub struct AttentionMse;

impl MatchLoss for AttentionMse {
    fn name(&self) -> &str {
        "attention_mse"
    }

    fn check(&self, student: &[Vec<i64>], teacher: &[Vec<i64>]) -> Result<(), String> {
        same_shape(student, teacher, &[4], ATTENTION_FORM)
    }

    fn loss(&self, student: &[Tensor], teacher: &[Tensor], mask: Option<&Tensor>) -> Result<Tensor> {
        let (student, teacher) = (&student[0], &teacher[0]);
        let Some(mask) = mask else { return unmasked_mse(student, teacher) };
        let num_heads = student.size()[1];
        let mask = mask.f_to_kind(student.kind())?.f_unsqueeze(1)?;
        let lengths = mask.f_sum_dim_intlist(2, false, None::<Kind>)?;
        let num_elements = lengths.f_square()?.f_sum(None::<Kind>)?.f_mul_scalar(num_heads)?;
        let squares = student.f_mse_loss(teacher, Reduction::None)?;
        let counted = squares.f_mul(&mask.f_unsqueeze(-1)?)?.f_mul(&mask.f_unsqueeze(2)?)?;
        Ok(counted.f_sum(None::<Kind>)?.f_div(&num_elements)?)
    }
}

/// Without a mask, entries at or below −1e-3 (scores that a model masked with a large negative number) count as 0.
pub(super) fn unmasked_mse(student: &Tensor, teacher: &Tensor) -> Result<Tensor> {
    let without_masked = |scores: &Tensor| scores.f_masked_fill(&scores.f_le(-1e-3)?, 0.0);
    Ok(without_masked(student)?.f_mse_loss(&without_masked(teacher)?, Reduction::Mean)?)
}
