use std::num::NonZeroU32;

use tch::{Kind, Tensor};

use super::{HIDDEN_FORM, LossSum, MatchLoss};
use crate::Result;

/// Multi-head self-attention relations (Wang et al., “MiniLMv2”, arXiv:2012.15828). From each side three tensors
/// `[batch, length, hidden]`, what a layer's queries, keys and values are; each is cut into `heads` relation heads A of
/// size d, whatever the model's own heads are, and gives the relation `softmax(A·Aᵀ/√d)` `[batch, heads, length,
/// length]`. The loss is the sum, over queries, keys and values, of KL(teacher‖student) averaged over heads and the
/// positions of the mask. Hidden sizes may differ.
pub struct MinilmRelations {
    /// The number of relation heads, at least 1.
    pub heads: i64,
}

impl MinilmRelations {
    /// As many as BERT-base has.
    pub const DEFAULT_HEADS: NonZeroU32 = NonZeroU32::new(12).unwrap();

    /// Log-probabilities of the relation, `[batch, heads, length, length]`; `padding` is `[batch, 1, 1, length]`.
    fn relation(&self, vectors: &Tensor, padding: Option<&Tensor>) -> Result<Tensor> {
        let (batch, length, size) = vectors.size3()?;
        let head_size = size / self.heads;
        let split = vectors.f_reshape([batch, length, self.heads, head_size])?.f_transpose(1, 2)?;
        let mut scores = split.f_matmul(&split.f_transpose(-2, -1)?)?.f_mul_scalar(1.0 / (head_size as f64).sqrt())?;
        if let Some(padding) = padding {
            // Finite, so that the difference of two sides at a padded position is no NaN; its probability is 0.
            scores = scores.f_masked_fill(padding, -1e9)?;
        }
        Ok(scores.f_log_softmax(-1, None::<Kind>)?)
    }
}

impl MatchLoss for MinilmRelations {
    fn name(&self) -> &str {
        "minilm_relations"
    }

    fn num_layers(&self) -> usize {
        3
    }

    fn check(&self, student: &[Vec<i64>], teacher: &[Vec<i64>]) -> Result<(), String> {
        if student.iter().chain(teacher).any(|shape| shape.len() != 3 || shape[2] % self.heads != 0) {
            return Err(format!("{HIDDEN_FORM} with hidden sizes that are multiples of {} relation heads", self.heads));
        }
        if student.iter().zip(teacher).any(|(student, teacher)| student[..2] != teacher[..2]) {
            return Err(format!("{HIDDEN_FORM} with the same batch and length on both sides"));
        }
        Ok(())
    }

    fn loss(&mut self, student: &[Tensor], teacher: &[Tensor], mask: Option<&Tensor>) -> Result<LossSum> {
        let padding = mask.map(|mask| mask.f_eq(0)?.f_unsqueeze(1)?.f_unsqueeze(1)).transpose()?;
        let mut divergences = vec![];
        for (student, teacher) in student.iter().zip(teacher) {
            let student = self.relation(student, padding.as_ref())?;
            let teacher = self.relation(teacher, padding.as_ref())?;
            let divergence = teacher.f_exp()?.f_mul(&teacher.f_sub(&student)?)?;
            // [batch, length]
            divergences.push(divergence.f_sum_dim_intlist(-1, false, None::<Kind>)?.f_mean_dim(
                1,
                false,
                None::<Kind>,
            )?);
        }
        let of_positions = Tensor::f_stack(&divergences, 0)?.f_sum_dim_intlist(0, false, None::<Kind>)?;
        LossSum::of_positions(&of_positions, mask)
    }
}
