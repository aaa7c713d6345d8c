use super::WeightScheduler;
use crate::{Result, StepContext};

/// From 1 at the start to 0 at the end.
pub struct LinearDecay;

impl WeightScheduler for LinearDecay {
    fn name(&self) -> &str {
        "linear_decay"
    }

    fn weight(&mut self, context: &StepContext) -> Result<f64> {
        Ok(1.0 - context.progress)
    }
}
