use tch::{Kind, Tensor};

use super::MatchLoss;
use super::attention_ce::cross_entropy;
use super::attention_mse_sum::check_without_heads;
use crate::Result;

/// Cross-entropy of attention scores averaged over their heads, so that the sides may differ in heads:
/// `[batch, heads, length, length]`, or `[batch, length, length]` averaged already.
pub struct AttentionCeMean;

impl MatchLoss for AttentionCeMean {
    fn name(&self) -> &str {
        "attention_ce_mean"
    }

    fn check(&self, student: &[Vec<i64>], teacher: &[Vec<i64>]) -> Result<(), String> {
        check_without_heads(student, teacher)
    }

    fn loss(&self, student: &[Tensor], teacher: &[Tensor], mask: Option<&Tensor>) -> Result<Tensor> {
        let mean_heads = |scores: &Tensor| match scores.dim() {
            4 => scores.f_mean_dim(1, false, None::<Kind>),
            _ => Ok(scores.shallow_clone()),
        };
        let (student, teacher) = (mean_heads(&student[0])?, mean_heads(&teacher[0])?);
        let mask = mask.map(|mask| mask.f_to_kind(student.kind())).transpose()?;
        cross_entropy(&student, &teacher, mask.as_ref())
    }
}
