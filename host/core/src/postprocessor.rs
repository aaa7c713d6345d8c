use crate::{AdaptContext, Batch, Result};

/// Changes a batch after it was loaded and before the models see it.
pub trait BatchPostprocessor {
    fn process(&mut self, context: &AdaptContext, batch: Batch) -> Result<Batch>;
}
