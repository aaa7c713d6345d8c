use tch::{Kind, Reduction, Tensor};

use super::attention_mse::unmasked_mse;
use super::{MatchLoss, same_shape};
use crate::Result;

/// Mean squared error of attention maps summed over their heads, so that the sides may differ in heads:
/// `[batch, heads, length, length]`, or `[batch, length, length]` summed already. With a mask, squares count where
/// both query and key are tokens and are divided by `Σ length²` of the true lengths.
pub struct AttentionMseSum;

impl MatchLoss for AttentionMseSum {
    fn name(&self) -> &str {
        "attention_mse_sum"
    }

    fn check(&self, student: &[Vec<i64>], teacher: &[Vec<i64>]) -> Result<(), String> {
        check_without_heads(student, teacher)
    }

    fn loss(&self, student: &[Tensor], teacher: &[Tensor], mask: Option<&Tensor>) -> Result<Tensor> {
        let sum_heads = |maps: &Tensor| match maps.dim() {
            4 => maps.f_sum_dim_intlist(1, false, None::<Kind>),
            _ => Ok(maps.shallow_clone()),
        };
        let (student, teacher) = (sum_heads(&student[0])?, sum_heads(&teacher[0])?);
        let Some(mask) = mask else { return unmasked_mse(&student, &teacher) };
        let mask = mask.f_to_kind(student.kind())?;
        let num_elements = mask.f_sum_dim_intlist(1, false, None::<Kind>)?.f_square()?.f_sum(None::<Kind>)?;
        let squares = student.f_mse_loss(&teacher, Reduction::None)?;
        let counted = squares.f_mul(&mask.f_unsqueeze(-1)?)?.f_mul(&mask.f_unsqueeze(1)?)?;
        Ok(counted.f_sum(None::<Kind>)?.f_div(&num_elements)?)
    }
}

/// The shapes fit when they agree in all but the number of heads.
pub(super) fn check_without_heads(student: &[Vec<i64>], teacher: &[Vec<i64>]) -> Result<(), String> {
    let without_heads = |shapes: &[Vec<i64>]| -> Vec<Vec<i64>> {
        shapes
            .iter()
            .map(|shape| if shape.len() == 4 { vec![shape[0], shape[2], shape[3]] } else { shape.clone() })
            .collect()
    };
    let form = "[batch, heads, length, length] or [batch, length, length]";
    if student.iter().zip(teacher).any(|(student, teacher)| student.len() != teacher.len()) {
        return Err(format!("{form}, of the same rank on both sides"));
    }
    same_shape(&without_heads(student), &without_heads(teacher), &[3], form)
}
