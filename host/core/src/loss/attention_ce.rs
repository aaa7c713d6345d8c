use tch::{Kind, Tensor};

use super::{ATTENTION_FORM, MatchLoss, same_shape};
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

    fn loss(&self, student: &[Tensor], teacher: &[Tensor], mask: Option<&Tensor>) -> Result<Tensor> {
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

/// The cross-entropy over the last dimension of `[…, queries, keys]`, averaged over the queries that the mask
/// `[…, length]` keeps. Without a mask, keys whose teacher score is at or below −1e-3 do not count.
pub(super) fn cross_entropy(student: &Tensor, teacher: &Tensor, mask: Option<&Tensor>) -> Result<Tensor> {
    let target = teacher.f_softmax(-1, None::<Kind>)?;
    let log_probability = student.f_log_softmax(-1, None::<Kind>)?;
    let loss = match mask {
        None => {
            let target = target.f_masked_fill(&teacher.f_le(-1e-3)?, 0.0)?;
            target.f_mul(&log_probability)?.f_sum_dim_intlist(-1, false, None::<Kind>)?.f_mean(None::<Kind>)?
        }
        Some(mask) => {
            let over_keys = target.f_mul(&log_probability)?.f_mul(&mask.f_unsqueeze(-2)?)?;
            let per_query = over_keys.f_sum_dim_intlist(-1, false, None::<Kind>)?;
            per_query.f_mul(mask)?.f_sum(None::<Kind>)?.f_div(&mask.f_sum(None::<Kind>)?)?
        }
    };
    Ok(loss.f_neg()?)
}
