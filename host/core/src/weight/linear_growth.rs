use super::WeightScheduler;
use crate::{Result, StepContext};

/// From 0 at the start to 1 at the end.
pub struct LinearGrowth;

impl WeightScheduler for LinearGrowth {
    fn name(&self) -> &str {
        "linear_growth"
    }

    fn weight(&mut self, context: &StepContext) -> Result<f64> {
        Ok(context.progress)
    }
}
