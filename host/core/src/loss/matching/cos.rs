use tch::{Kind, Reduction, Tensor};

use super::{HIDDEN_FORM, LossSum, MatchLoss, same_shape};
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

    fn loss(&mut self, student: &[Tensor], teacher: &[Tensor], mask: Option<&Tensor>) -> Result<LossSum> {
        let (student, teacher) = (student[0].f_flatten(0, 1)?, teacher[0].f_flatten(0, 1)?);
        let similar = Tensor::f_ones([student.size()[0]], (Kind::Float, student.device()))?;
        let distances = Tensor::f_cosine_embedding_loss(&student, &teacher, &similar, 0.0, Reduction::None)?;
        LossSum::of_positions(&distances, mask.map(|mask| mask.f_flatten(0, 1)).transpose()?.as_ref())
    }
}
