use tch::{Kind, Tensor};

use super::flsw::around_mean;
use super::{Temperature, TemperatureScheduler};
use crate::{Distribution, Result};

/// Confidence weights by the student's largest probability: the less sure, the lower the temperature,
/// `τ + β · (mean(w) − w)` with `w = 1 / (max softmax(s) + 1e-3)`
/// (Wen et al., “Preparing Lessons: Improve Knowledge Distillation with Better Supervision”, arXiv:1911.07471).
pub struct Cwsm {
    pub beta: f64,
}

impl TemperatureScheduler for Cwsm {
    fn name(&self) -> &str {
        "cwsm"
    }

    fn distribution(&self) -> Option<Distribution> {
        Some(Distribution::Softmax)
    }

    fn temperature(&self, student: &Tensor, _teacher: &Tensor, base: f64) -> Result<Temperature> {
        let confidence = student.f_softmax(-1, None::<Kind>)?.f_amax([-1i64], false)?;
        around_mean(&confidence.f_add_scalar(1e-3)?.f_reciprocal()?, self.beta, base)
    }
}
