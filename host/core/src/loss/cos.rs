use tch::{Kind, Reduction, Tensor};

use super::{HIDDEN_FORM, MatchLoss, same_shape};
use crate::Result;

/// `1 − cos(s, t)` of hidden states `[batch, length, hidden]`, averaged over positions, with a mask over its tokens
/// (Sanh et al., “DistilBERT”, arXiv:1910.01108).
pub struct Cos;

impl MatchLoss for Cos {
    fn name(&self) -> &str {
        "cos"
    }

    fn check(&self, student: &[Vec<i64>], teacher: &[Vec<i64>]) -> Result<(), String> {
        same_shape(student, teacher, &[3], HIDDEN_FORM)
    }

    fn loss(&self, student: &[Tensor], teacher: &[Tensor], mask: Option<&Tensor>) -> Result<Tensor> {
        let hidden_size = *student[0].size().last().unwrap_or(&1);
        let positions = |states: &Tensor| {
            let rows = states.f_reshape([-1, hidden_size])?;
            match mask {
                Some(mask) => rows.f_index_select(0, &mask.f_flatten(0, -1)?.f_nonzero()?.f_squeeze_dim(-1)?),
                None => Ok(rows),
            }
        };
        let (student, teacher) = (positions(&student[0])?, positions(&teacher[0])?);
        let similar = Tensor::f_ones([student.size()[0]], (Kind::Float, student.device()))?;
        Ok(Tensor::f_cosine_embedding_loss(&student, &teacher, &similar, 0.0, Reduction::Mean)?)
    }
}
