use tch::{Kind, Tensor};

use super::{KdInputs, KdLoss};
use crate::{Distribution, Result};

/// Cross-entropy of the student's softened distribution under the teacher's:
/// `−Σ softmax(t/τ) · log softmax(s/τ)` over classes
/// (Hinton et al., “Distilling the Knowledge in a Neural Network”, arXiv:1503.02531; without its factor τ²).
pub struct KdCe;

impl KdLoss for KdCe {
    fn name(&self) -> &str {
        "ce"
    }

    fn distribution(&self) -> Option<Distribution> {
        Some(Distribution::Softmax)
    }

    fn rows(&mut self, inputs: &KdInputs<'_>) -> Result<Tensor> {
        let KdInputs { student, teacher, temperature, .. } = inputs;
        let target = temperature.soften(teacher)?.f_softmax(-1, None::<Kind>)?;
        let log_probability = temperature.soften(student)?.f_log_softmax(-1, None::<Kind>)?;
        Ok(target.f_mul(&log_probability)?.f_sum_dim_intlist(-1, false, None::<Kind>)?.f_neg()?)
    }
}
