//! Temperatures: one number, or one for each example.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use crate::named::{self, registry};
use crate::{Distribution, Result, RoleState, StepContext};

/// What logits are divided by before the softmax.
#[derive(Debug)]
pub enum Temperature {
    /// One for all rows.
    Scalar(f64),
    /// One for each row of logits, `[rows]`.
    PerExample(Tensor),
}

impl Temperature {
    /// The logits `[rows, classes]` divided by the temperature.
    pub fn soften(&self, logits: &Tensor) -> Result<Tensor> {
        Ok(match self {
            Temperature::Scalar(temperature) => logits.f_div_scalar(*temperature)?,
            Temperature::PerExample(temperature) => logits.f_div(&temperature.f_unsqueeze(-1)?)?,
        })
    }

    /// That of `length` rows from `start` on.
    pub(crate) fn narrow(&self, start: i64, length: i64) -> Result<Self> {
        Ok(match self {
            Temperature::Scalar(temperature) => Temperature::Scalar(*temperature),
            Temperature::PerExample(temperature) => Temperature::PerExample(temperature.f_narrow(0, start, length)?),
        })
    }
}

/// Chooses the temperature of a batch from the logits of both sides.
pub trait TemperatureScheduler {
    /// The name in `temperature_scheduler`.
    fn name(&self) -> &str;

    /// What it makes of logits; it is for heads that are trained for the same. `None` if it takes logits as they are.
    fn distribution(&self) -> Option<Distribution> {
        None
    }

    /// Called before the calls of each forward step, and once more where a step is computed again: what depends on the calls
    /// made at a step begins anew.
    fn begin_step(&mut self, _context: &StepContext) {}

    /// What it remembers from call to call, if that goes into checkpoints.
    fn state(&mut self) -> Option<&mut dyn RoleState> {
        None
    }

    /// From logits of one shape `[rows, classes]` and the configured temperature. Runs without grad.
    fn temperature(&mut self, student: &Tensor, teacher: &Tensor, base: f64) -> Result<Temperature>;
}

/// What chooses the temperature of a batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", remote = "Self")]
#[schemars(remote = "TemperatureSchedulerConfig", transform = named::schema)]
pub enum TemperatureSchedulerConfig {
    /// The configured temperature.
    None,
    /// Another name of `none`.
    Constant,
    /// A lower temperature for examples on which the sides disagree more: focal-loss style weights.
    Flsw {
        /// How far temperatures differ.
        beta: f64,
        /// The exponent of the disagreement.
        gamma: f64,
    },
    /// A lower temperature for examples of which the student is less sure: confidence weights by the student's largest
    /// probability.
    Cwsm {
        /// How far temperatures differ.
        beta: f64,
    },
    /// A plugin's, by its name in `plugins.schedulers`.
    #[serde(rename = "plugin:NAME")]
    Plugin(String),
}

registry!(TemperatureSchedulerConfig);

impl TemperatureSchedulerConfig {
    /// The scheduler; a plugin's is made by `plugin`.
    pub fn make(
        &self,
        plugin: impl FnOnce(&str) -> Result<Box<dyn TemperatureScheduler>>,
    ) -> Result<Box<dyn TemperatureScheduler>> {
        Ok(match self {
            Self::None | Self::Constant => Box::new(Constant),
            Self::Flsw { beta, gamma } => Box::new(Flsw { beta: *beta, gamma: *gamma }),
            Self::Cwsm { beta } => Box::new(Cwsm { beta: *beta }),
            Self::Plugin(name) => plugin(name)?,
        })
    }
}

/// The configured temperature, whatever the logits.
pub struct Constant;

impl TemperatureScheduler for Constant {
    fn name(&self) -> &str {
        "constant"
    }

    fn temperature(&mut self, _student: &Tensor, _teacher: &Tensor, base: f64) -> Result<Temperature> {
        Ok(Temperature::Scalar(base))
    }
}

/// Focal-loss style weights: an example on which the sides disagree more gets a lower temperature,
/// `τ + β · (mean(w) − w)` with `w = (1 − cos(s, t))^γ`
/// (Wen et al., “Preparing Lessons: Improve Knowledge Distillation with Better Supervision”, arXiv:1911.07471).
pub struct Flsw {
    /// How strongly the temperature follows the examples.
    pub beta: f64,
    /// The power of the disagreement.
    pub gamma: f64,
}

impl Flsw {
    /// Keeps norms away from 0.
    const EPSILON: f64 = 1e-4;
}

impl TemperatureScheduler for Flsw {
    fn name(&self) -> &str {
        "flsw"
    }

    fn temperature(&mut self, student: &Tensor, teacher: &Tensor, base: f64) -> Result<Temperature> {
        let normalised =
            |logits: &Tensor| logits.f_div(&logits.f_norm_scalaropt_dim(2, [-1], true)?.f_add_scalar(Self::EPSILON)?);
        let similarity =
            normalised(student)?.f_mul(&normalised(teacher)?)?.f_sum_dim_intlist(-1, false, None::<Kind>)?;
        let weight = similarity.f_neg()?.f_add_scalar(1)?.f_pow_tensor_scalar(self.gamma)?;
        around_mean(&weight, self.beta, base)
    }
}

/// Confidence weights by the student's largest probability: the less sure, the lower the temperature,
/// `τ + β · (mean(w) − w)` with `w = 1 / (max softmax(s) + 1e-3)`
/// (Wen et al., “Preparing Lessons: Improve Knowledge Distillation with Better Supervision”, arXiv:1911.07471).
pub struct Cwsm {
    /// How strongly the temperature follows the examples.
    pub beta: f64,
}

impl TemperatureScheduler for Cwsm {
    fn name(&self) -> &str {
        "cwsm"
    }

    fn distribution(&self) -> Option<Distribution> {
        Some(Distribution::Softmax)
    }

    fn temperature(&mut self, student: &Tensor, _teacher: &Tensor, base: f64) -> Result<Temperature> {
        let confidence = student.f_softmax(-1, None::<Kind>)?.f_amax([-1i64], false)?;
        around_mean(&confidence.f_add_scalar(1e-3)?.f_reciprocal()?, self.beta, base)
    }
}

/// `base + β · (mean(w) − w)`.
fn around_mean(weight: &Tensor, beta: f64, base: f64) -> Result<Temperature> {
    let deviation = weight.f_mean(None::<Kind>)?.f_sub(weight)?;
    Ok(Temperature::PerExample(deviation.f_mul_scalar(beta)?.f_add_scalar(base)?))
}
