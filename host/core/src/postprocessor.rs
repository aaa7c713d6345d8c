use crate::{Batch, Result, StepContext};

/// Changes a batch after it was loaded and before the models see it.
pub trait BatchPostprocessor {
    fn process(&mut self, context: &StepContext, batch: Batch) -> Result<Batch>;
}
