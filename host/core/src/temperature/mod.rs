//! Temperatures: one number, or one for each example.

mod constant;
mod cwsm;
mod flsw;

use tch::Tensor;

pub use constant::Constant;
pub use cwsm::Cwsm;
pub use flsw::Flsw;

use crate::Result;

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

    /// From logits of one shape `[…, labels]` and the configured temperature. Runs without grad.
    fn temperature(&self, student: &Tensor, teacher: &Tensor, base: f64) -> Result<Temperature>;
}
