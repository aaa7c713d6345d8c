use tch::{Reduction, Tensor};

use super::{LossSum, MatchLoss};
use crate::Result;

/// Mean squared error of the similarities of positions between two layers, `A Bᵀ` `[batch, length, length]`
/// (after Huang and Wang, “Like What You Like: Knowledge Distill via Neuron Selectivity Transfer”, arXiv:1707.01219).
/// Takes two layers `[batch, length, hidden]` of each side, whose hidden sizes may differ. Without a mask the products
/// are divided by the hidden size; with one, as TextBrewer does it, by the padded length, and squares count where both
/// positions are tokens.
pub struct Mmd;

impl MatchLoss for Mmd {
    fn name(&self) -> &str {
        "mmd"
    }

    fn num_layers(&self) -> usize {
        2
    }

    fn check(&self, student: &[Vec<i64>], teacher: &[Vec<i64>]) -> Result<(), String> {
        let form = "[batch, length, hidden]";
        if student.iter().chain(teacher).any(|shape| shape.len() != 3) {
            return Err(form.to_owned());
        }
        if student.iter().zip(teacher).any(|(student, teacher)| student[..2] != teacher[..2]) {
            return Err(format!("{form} with the same batch and length on both sides"));
        }
        for side in [student, teacher] {
            if side.windows(2).any(|pair| pair[0][2] != pair[1][2]) {
                return Err(format!("{form} with one hidden size for both layers of a side"));
            }
        }
        Ok(())
    }

    fn loss(&mut self, student: &[Tensor], teacher: &[Tensor], mask: Option<&Tensor>) -> Result<LossSum> {
        let similarity = |layers: &[Tensor]| {
            let divisor_dim = if mask.is_some() { 1 } else { 2 };
            let product = layers[0].f_bmm(&layers[1].f_transpose(1, 2)?)?;
            product.f_div_scalar(layers[1].size()[divisor_dim])
        };
        let (student, teacher) = (similarity(student)?, similarity(teacher)?);
        let squares = student.f_mse_loss(&teacher, Reduction::None)?;
        match mask {
            Some(mask) => LossSum::of_pairs(&squares, &mask.f_to_kind(student.kind())?),
            None => LossSum::of_all(&squares),
        }
    }
}
