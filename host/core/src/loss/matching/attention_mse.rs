use tch::{Kind, Reduction, Tensor};

use super::{ATTENTION_FORM, LossSum, MatchLoss, same_shape, same_shape_without_heads};
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

    fn loss(&mut self, student: &[Tensor], teacher: &[Tensor], mask: Option<&Tensor>) -> Result<LossSum> {
        squared_error(&student[0], &teacher[0], mask)
    }
}

/// Mean squared error of attention maps summed over their heads, so that the sides may differ in heads:
/// `[batch, heads, length, length]`, or `[batch, length, length]` summed already. With a mask, squares count where
/// both query and key are tokens and are divided by `Σ length²` of the true lengths.
pub struct AttentionMseSum;

impl MatchLoss for AttentionMseSum {
    fn name(&self) -> &str {
        "attention_mse_sum"
    }

    fn check(&self, student: &[Vec<i64>], teacher: &[Vec<i64>]) -> Result<(), String> {
        same_shape_without_heads(student, teacher)
    }

    fn loss(&mut self, student: &[Tensor], teacher: &[Tensor], mask: Option<&Tensor>) -> Result<LossSum> {
        let sum_heads = |maps: &Tensor| match maps.dim() {
            4 => maps.f_sum_dim_intlist(1, false, None::<Kind>),
            _ => Ok(maps.shallow_clone()),
        };
        squared_error(&sum_heads(&student[0])?, &sum_heads(&teacher[0])?, mask)
    }
}

/// Without a mask, entries at or below −1e-3 (scores that a model masked with a large negative number) count as 0.
fn squared_error(student: &Tensor, teacher: &Tensor, mask: Option<&Tensor>) -> Result<LossSum> {
    match mask {
        Some(mask) => {
            let squares = student.f_mse_loss(teacher, Reduction::None)?;
            LossSum::of_pairs(&squares, &mask.f_to_kind(student.kind())?)
        }
        None => {
            let without_masked = |scores: &Tensor| scores.f_masked_fill(&scores.f_le(-1e-3)?, 0.0);
            LossSum::of_all(&without_masked(student)?.f_mse_loss(&without_masked(teacher)?, Reduction::None)?)
        }
    }
}
