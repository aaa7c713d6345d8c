use tch::{Kind, Tensor};

use super::{Temperature, TemperatureScheduler};
use crate::Result;

/// Focal-loss style weights: an example on which the sides disagree more gets a lower temperature,
/// `τ + β · (mean(w) − w)` with `w = (1 − cos(s, t))^γ`
/// (Wen et al., “Preparing Lessons: Improve Knowledge Distillation with Better Supervision”, arXiv:1911.07471).
pub struct Flsw {
    pub beta: f64,
    pub gamma: f64,
}

/// Keeps norms away from 0.
const EPSILON: f64 = 1e-4;

impl TemperatureScheduler for Flsw {
    fn name(&self) -> &str {
        "flsw"
    }

    fn temperature(&self, student: &Tensor, teacher: &Tensor, base: f64) -> Result<Temperature> {
        let normalised =
            |logits: &Tensor| logits.f_div(&logits.f_norm_scalaropt_dim(2, [-1], true)?.f_add_scalar(EPSILON)?);
        let similarity =
            normalised(student)?.f_mul(&normalised(teacher)?)?.f_sum_dim_intlist(-1, false, None::<Kind>)?;
        let weight = similarity.f_neg()?.f_add_scalar(1)?.f_pow_tensor_scalar(self.gamma)?;
        around_mean(&weight, self.beta, base)
    }
}

/// `base + β · (mean(w) − w)`.
pub(super) fn around_mean(weight: &Tensor, beta: f64, base: f64) -> Result<Temperature> {
    let deviation = weight.f_mean(None::<Kind>)?.f_sub(weight)?;
    Ok(Temperature::PerExample(deviation.f_mul_scalar(beta)?.f_add_scalar(base)?))
}
