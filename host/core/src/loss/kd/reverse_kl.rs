use tch::{Kind, Tensor};

use super::{KdInputs, KdLoss};
use crate::{Distribution, Result};

/// Kullback-Leibler divergence of the teacher's softened distribution from the student's own,
/// `Σ softmax(s/τ) · (log softmax(s/τ) − log softmax(t/τ))` over classes. The student is
/// pushed to the teacher's modes and not to cover all of its mass (Gu et al., “MiniLLM: Knowledge Distillation of Large
/// Language Models”, arXiv:2306.08543).
pub struct ReverseKl;

impl KdLoss for ReverseKl {
    fn name(&self) -> &str {
        "reverse_kl"
    }

    fn distribution(&self) -> Option<Distribution> {
        Some(Distribution::Softmax)
    }

    fn rows(&mut self, inputs: &KdInputs<'_>) -> Result<Tensor> {
        let (student, teacher) = inputs.log_probabilities()?;
        kl(&student, &teacher)
    }
}

/// `Σ exp(p) · (p − q)` of log-probabilities `[rows, classes]`, `[rows]`.
pub(super) fn kl(p: &Tensor, q: &Tensor) -> Result<Tensor> {
    Ok(p.f_exp()?.f_mul(&p.f_sub(q)?)?.f_sum_dim_intlist(-1, false, None::<Kind>)?)
}
