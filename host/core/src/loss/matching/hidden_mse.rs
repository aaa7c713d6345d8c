use tch::{Reduction, Tensor};

use super::{HIDDEN_FORM, LossSum, MatchLoss, same_shape, sum_kind};
use crate::Result;

/// Mean squared error of hidden states `[batch, length, hidden]` over the positions of the mask:
/// `Σ m · (s − t)² / (Σ m · hidden)`.
pub struct HiddenMse;

impl MatchLoss for HiddenMse {
    fn name(&self) -> &str {
        "hidden_mse"
    }

    fn check(&self, student: &[Vec<i64>], teacher: &[Vec<i64>]) -> Result<(), String> {
        same_shape(student, teacher, &[3], HIDDEN_FORM)
    }

    fn loss(&mut self, student: &[Tensor], teacher: &[Tensor], mask: Option<&Tensor>) -> Result<LossSum> {
        let (student, teacher) = (&student[0], &teacher[0]);
        let Some(mask) = mask else { return LossSum::of_all(&student.f_mse_loss(teacher, Reduction::None)?) };
        let mask = mask.f_to_kind(student.kind())?;
        let hidden_size = *student.size().last().unwrap_or(&1);
        let squares = student.f_mse_loss(teacher, Reduction::None)?;
        let kind = sum_kind(&squares)?;
        let count = mask.f_sum(kind)?.f_mul_scalar(hidden_size)?;
        Ok(LossSum { sum: squares.f_mul(&mask.f_unsqueeze(-1)?)?.f_sum(kind)?, count })
    }
}
