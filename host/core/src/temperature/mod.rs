//! Temperatures: one number, or one for each example.

mod constant;
mod cwsm;
mod flsw;

use tch::Tensor;

pub use constant::Constant;
pub use cwsm::Cwsm;
pub use flsw::Flsw;

use crate::loss::{NameAndParameters, Unfit};
use crate::{Distribution, Result, RoleState, StepContext};

/// What logits are divided by before the softmax.
#[derive(Debug)]
pub enum Temperature {
    Scalar(f64),
    /// One for each row of logits, `[batch]` or `[batch, length]`.
    PerExample(Tensor),
}

impl Temperature {
    /// The logits `[…, labels]` divided by the temperature.
    pub fn soften(&self, logits: &Tensor) -> Result<Tensor> {
        Ok(match self {
            Temperature::Scalar(temperature) => logits.f_div_scalar(*temperature)?,
            Temperature::PerExample(temperature) => logits.f_div(&temperature.f_unsqueeze(-1)?)?,
        })
    }
}

/// Chooses the temperature of a batch from the logits of both sides.
pub trait TemperatureScheduler {
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

    /// From logits of one shape `[…, labels]` and the configured temperature. Runs without grad.
    fn temperature(&self, student: &Tensor, teacher: &Tensor, base: f64) -> Result<Temperature>;
}

/// The names of the built-in temperature schedulers.
const TEMPERATURE_SCHEDULERS: &[&str] = &["none", "constant", "flsw", "cwsm"];

/// The built-in temperature scheduler that `temperature_scheduler` names.
pub fn temperature_scheduler(spec: &NameAndParameters) -> Result<Box<dyn TemperatureScheduler>> {
    spec.make("distillation.temperature_scheduler", TEMPERATURE_SCHEDULERS, |name, parameters| {
        let made: Box<dyn TemperatureScheduler> = match (name, parameters) {
            ("none" | "constant", []) => Box::new(Constant),
            ("flsw", &[beta, gamma]) => Box::new(Flsw { beta, gamma }),
            ("cwsm", &[beta]) => Box::new(Cwsm { beta }),
            ("none" | "constant", _) => return Err(Unfit::Parameters("no parameters")),
            ("flsw", _) => return Err(Unfit::Parameters(r#"["flsw", beta, gamma] with two numbers"#)),
            ("cwsm", _) => return Err(Unfit::Parameters(r#"["cwsm", beta] with one number"#)),
            _ => return Err(Unfit::UnknownName),
        };
        Ok(made)
    })
}
