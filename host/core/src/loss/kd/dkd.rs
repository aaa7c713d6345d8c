use tch::{Kind, Tensor};

use super::{KdInputs, KdLoss};
use crate::{Distribution, Result};

/// Decoupled knowledge distillation, `α · TCKD + β · NCKD` of the softened distributions (Zhao et al., “Decoupled Knowledge
/// Distillation”, arXiv:2203.08679). TCKD is the divergence KL(teacher‖student) of the binary distributions “the target
/// class or not”, NCKD that of the distributions among the other classes. The target is the label; where there is none, or
/// a negative one, the teacher's largest logit.
pub struct Dkd {
    /// The weight of the target class against all others.
    pub alpha: f64,
    /// The weight of the other classes among each other.
    pub beta: f64,
}

impl Dkd {
    /// The weight of TCKD in the paper's experiments.
    pub(super) fn default_alpha() -> f64 {
        1.0
    }

    /// That of NCKD.
    pub(super) fn default_beta() -> f64 {
        8.0
    }
}

impl KdLoss for Dkd {
    fn name(&self) -> &str {
        "dkd"
    }

    fn distribution(&self) -> Option<Distribution> {
        Some(Distribution::Softmax)
    }

    fn uses_labels(&self) -> bool {
        true
    }

    fn rows(&mut self, inputs: &KdInputs<'_>) -> Result<Tensor> {
        let (student, teacher) = inputs.log_probabilities()?;
        let largest = inputs.teacher.f_argmax(-1, true)?;
        let target = match inputs.labels {
            Some(labels) => {
                let labels = labels.f_to_kind(Kind::Int64)?.f_unsqueeze(-1)?;
                labels.f_where_self(&labels.f_ge(0)?, &largest)?
            }
            None => largest,
        };
        let is_target = student.f_zeros_like()?.f_scatter_value(-1, &target, 1)?.f_to_kind(Kind::Bool)?;
        let student = Decoupled::new(&student, &target, &is_target)?;
        let teacher = Decoupled::new(&teacher, &target, &is_target)?;
        let target_class = teacher.binary.f_exp()?.f_mul(&teacher.binary.f_sub(&student.binary)?)?;
        let others = teacher.others.f_exp()?.f_masked_fill(&is_target, 0.0)?;
        let other_classes = others.f_mul(&teacher.others.f_sub(&student.others)?)?;
        let sum = |divergence: Tensor| divergence.f_sum_dim_intlist(-1, false, None::<Kind>);
        let target_class = sum(target_class)?.f_mul_scalar(self.alpha)?;
        Ok(target_class.f_add(&sum(other_classes)?.f_mul_scalar(self.beta)?)?)
    }
}

/// A distribution over classes as two.
struct Decoupled {
    /// Log-probabilities of the target class and of all others together, `[rows, 2]`.
    binary: Tensor,
    /// Log-probabilities among the other classes, `[rows, classes]`; what stands at the target has no meaning.
    others: Tensor,
}

impl Decoupled {
    fn new(log_probabilities: &Tensor, target: &Tensor, is_target: &Tensor) -> Result<Self> {
        let of_target = log_probabilities.f_gather(-1, target, false)?;
        let of_others = log_probabilities.f_masked_fill(is_target, f64::NEG_INFINITY)?.f_logsumexp([-1_i64], true)?;
        Ok(Self { binary: Tensor::f_cat(&[&of_target, &of_others], -1)?, others: log_probabilities.f_sub(&of_others)? })
    }
}
