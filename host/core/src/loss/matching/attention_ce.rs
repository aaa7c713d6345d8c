use tch::{Kind, Tensor};

use super::{ATTENTION_FORM, LossSum, MatchLoss, same_shape, same_shape_without_heads};
use crate::Result;

/// Cross-entropy of attention scores `[batch, heads, length, length]`: a softmax over keys on both sides,
/// `−Σ softmax(t) · log softmax(s)`, averaged over queries and heads; with a mask, over those of tokens.
pub struct AttentionCe;

impl MatchLoss for AttentionCe {
    fn name(&self) -> &str {
        "attention_ce"
    }

    fn check(&self, student: &[Vec<i64>], teacher: &[Vec<i64>]) -> Result<(), String> {
        same_shape(student, teacher, &[4], ATTENTION_FORM)
    }

    fn loss(&mut self, student: &[Tensor], teacher: &[Tensor], mask: Option<&Tensor>) -> Result<LossSum> {
        let (student, teacher) = (&student[0], &teacher[0]);
        let size = student.size();
        // [batch, heads, length]
        let mask = match mask {
            Some(mask) => {
                Some(mask.f_to_kind(student.kind())?.f_unsqueeze(1)?.f_expand([size[0], size[1], size[2]], false)?)
            }
            None => None,
        };
        cross_entropy(student, teacher, mask.as_ref())
    }
}

/// Cross-entropy of attention scores averaged over their heads, so that the sides may differ in heads:
/// `[batch, heads, length, length]`, or `[batch, length, length]` averaged already.
pub struct AttentionCeMean;

impl MatchLoss for AttentionCeMean {
    fn name(&self) -> &str {
        "attention_ce_mean"
    }

    fn check(&self, student: &[Vec<i64>], teacher: &[Vec<i64>]) -> Result<(), String> {
        same_shape_without_heads(student, teacher)
    }

    fn loss(&mut self, student: &[Tensor], teacher: &[Tensor], mask: Option<&Tensor>) -> Result<LossSum> {
        let mean_heads = |scores: &Tensor| match scores.dim() {
            4 => scores.f_mean_dim(1, false, None::<Kind>),
            _ => Ok(scores.shallow_clone()),
        };
        let (student, teacher) = (mean_heads(&student[0])?, mean_heads(&teacher[0])?);
        let mask = mask.map(|mask| mask.f_to_kind(student.kind())).transpose()?;
        cross_entropy(&student, &teacher, mask.as_ref())
    }
}

/// The cross-entropy over the last dimension of `[…, queries, keys]`, for the queries that the mask `[…, length]` keeps.
/// Without a mask, keys whose teacher score is at or below −1e-3 do not count.
fn cross_entropy(student: &Tensor, teacher: &Tensor, mask: Option<&Tensor>) -> Result<LossSum> {
    let target = teacher.f_softmax(-1, None::<Kind>)?;
    let log_probability = student.f_log_softmax(-1, None::<Kind>)?;
    let products = match mask {
        Some(mask) => target.f_mul(&log_probability)?.f_mul(&mask.f_unsqueeze(-2)?)?,
        None => target.f_masked_fill(&teacher.f_le(-1e-3)?, 0.0)?.f_mul(&log_probability)?,
    };
    LossSum::of_positions(&products.f_sum_dim_intlist(-1, false, None::<Kind>)?.f_neg()?, mask)
}
