use tch::Tensor;

use super::reverse_kl::kl;
use super::{KdInputs, KdLoss};
use crate::{Distribution, Result};

/// Generalized Jensen-Shannon divergence of the softened distributions, P the teacher's, Q the student's and
/// M = β·P + (1 − β)·Q: `β · KL(P‖M) + (1 − β) · KL(Q‖M)` (Agarwal et al.,
/// “On-Policy Distillation of Language Models”, arXiv:2306.13649). Near β = 0 it behaves as β times the forward KL, near
/// β = 1 as 1 − β times the reverse one.
pub struct Js {
    /// Between 0 and 1, both excluded.
    pub beta: f64,
}

impl KdLoss for Js {
    fn name(&self) -> &str {
        "js"
    }

    fn distribution(&self) -> Option<Distribution> {
        Some(Distribution::Softmax)
    }

    fn rows(&mut self, inputs: &KdInputs<'_>) -> Result<Tensor> {
        let (student, teacher) = inputs.log_probabilities()?;
        let of_teacher = teacher.f_add_scalar(self.beta.ln())?;
        let mixture = of_teacher.f_logaddexp(&student.f_add_scalar((1.0 - self.beta).ln())?)?;
        let from_teacher = kl(&teacher, &mixture)?.f_mul_scalar(self.beta)?;
        Ok(from_teacher.f_add(&kl(&student, &mixture)?.f_mul_scalar(1.0 - self.beta)?)?)
    }
}
