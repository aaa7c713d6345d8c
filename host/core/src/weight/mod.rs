//! Weights that change in the course of a run.

mod linear_decay;
mod linear_growth;

pub use linear_decay::LinearDecay;
pub use linear_growth::LinearGrowth;

use crate::loss::LossError;
use crate::{Result, RoleState, StepContext};

/// The weight of a loss at a point of the run.
pub trait WeightScheduler {
    fn name(&self) -> &str;

    /// The weight from the context's step on. Called once after each optimizer step, before the next forward step; the
    /// configured weight holds until then.
    fn weight(&mut self, context: &StepContext) -> Result<f64>;

    /// What it remembers from call to call, if that goes into checkpoints.
    fn state(&mut self) -> Option<&mut dyn RoleState> {
        None
    }
}

/// The names of the built-in weight schedulers.
const WEIGHT_SCHEDULERS: &[&str] = &["linear_decay", "linear_growth"];

/// The built-in weight scheduler of that name, which stands at `key`.
pub fn weight_scheduler(key: &str, name: &str) -> Result<Box<dyn WeightScheduler>> {
    match name {
        "linear_decay" => Ok(Box::new(LinearDecay)),
        "linear_growth" => Ok(Box::new(LinearGrowth)),
        _ => {
            Err(LossError::UnknownName { key: key.to_owned(), name: name.to_owned(), known: WEIGHT_SCHEDULERS }.into())
        }
    }
}
