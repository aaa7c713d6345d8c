//! Weights that change in the course of a run.

mod linear_decay;
mod linear_growth;

pub use linear_decay::LinearDecay;
pub use linear_growth::LinearGrowth;

use crate::Result;

/// The weight of a loss at a point of the run.
pub trait WeightScheduler {
    fn name(&self) -> &str;

    /// From the share of optimizer steps done, in 0..=1. It replaces the configured weight after the first optimizer
    /// step.
    fn weight(&mut self, progress: f64) -> Result<f64>;
}

/// The names of the built-in weight schedulers.
pub const WEIGHT_SCHEDULERS: &[&str] = &["linear_decay", "linear_growth"];

/// The built-in weight scheduler of that name.
pub fn weight_scheduler(name: &str) -> Option<Box<dyn WeightScheduler>> {
    Some(match name {
        "linear_decay" => Box::new(LinearDecay),
        "linear_growth" => Box::new(LinearGrowth),
        _ => return None,
    })
}
