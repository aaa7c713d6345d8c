use tch::{Reduction, Tensor};

use super::{HIDDEN_FORM, LossSum, MatchLoss, same_shape, sum_kind};
use crate::Result;

/// Mean squared error of the flow between two layers, `Aᵀ B / length` `[batch, hidden, hidden]`
/// (after Yim et al., “A Gift from Knowledge Distillation”, CVPR 2017). Takes two layers `[batch, length, hidden]` of
/// each side; with a mask, padding counts as 0 and lengths are the true ones.
pub struct Fsp;

impl MatchLoss for Fsp {
    fn name(&self) -> &str {
        "fsp"
    }

    fn num_layers(&self) -> usize {
        2
    }

    fn check(&self, student: &[Vec<i64>], teacher: &[Vec<i64>]) -> Result<(), String> {
        same_shape(student, teacher, &[3], HIDDEN_FORM)
    }

    fn loss(&mut self, student: &[Tensor], teacher: &[Tensor], mask: Option<&Tensor>) -> Result<LossSum> {
        let mask = mask.map(|mask| mask.f_to_kind(student[0].kind())?.f_unsqueeze(-1)).transpose()?;
        let squares = flow(student, mask.as_ref())?.f_mse_loss(&flow(teacher, mask.as_ref())?, Reduction::None)?;
        LossSum::of_all(&squares)
    }
}

/// `Aᵀ B / length` of two layers, `[batch, hidden, hidden]`; the mask is `[batch, length, 1]`.
fn flow(layers: &[Tensor], mask: Option<&Tensor>) -> Result<Tensor> {
    let product = |first: &Tensor, second: &Tensor| first.f_transpose(1, 2)?.f_bmm(second);
    Ok(match mask {
        None => product(&layers[0], &layers[1])?.f_div_scalar(layers[1].size()[1])?,
        Some(mask) => product(&layers[0].f_mul(mask)?, &layers[1].f_mul(mask)?)?.f_div(&mask.f_sum_dim_intlist(
            1,
            true,
            sum_kind(mask)?,
        )?)?,
    })
}
