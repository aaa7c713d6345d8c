use tch::{Kind, Tensor};

use super::{LossSum, MatchLoss};
use crate::Result;

/// Squared distance of the normalised states at position 0, `‖s/‖s‖ − t/‖t‖‖²`, averaged over the batch
/// (Sun et al., “Patient Knowledge Distillation for BERT Model Compression”, arXiv:1908.09355). Takes
/// `[batch, length, hidden]` or `[batch, hidden]`; the mask is not used.
pub struct Pkd;

impl MatchLoss for Pkd {
    fn name(&self) -> &str {
        "pkd"
    }

    fn check(&self, student: &[Vec<i64>], teacher: &[Vec<i64>]) -> Result<(), String> {
        let form = "[batch, length, hidden] or [batch, hidden]";
        for (student, teacher) in student.iter().zip(teacher) {
            if ![2, 3].contains(&student.len()) || ![2, 3].contains(&teacher.len()) {
                return Err(form.to_owned());
            }
            if student.first() != teacher.first() || student.last() != teacher.last() {
                return Err(format!("{form} with the same batch and hidden size on both sides"));
            }
        }
        Ok(())
    }

    fn loss(&mut self, student: &[Tensor], teacher: &[Tensor], _mask: Option<&Tensor>) -> Result<LossSum> {
        let difference = normalised_first(&student[0])?.f_sub(&normalised_first(&teacher[0])?)?;
        LossSum::of_all(&difference.f_square()?.f_sum_dim_intlist(-1, false, None::<Kind>)?)
    }
}

fn normalised_first(states: &Tensor) -> Result<Tensor> {
    let first = if states.dim() == 3 { states.f_select(1, 0)? } else { states.shallow_clone() };
    let norm = first.f_norm_scalaropt_dim(2, [1], true)?;
    Ok(first.f_div(&norm)?)
}
