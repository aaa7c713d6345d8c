use crate::{Batch, Result, RoleState, StepContext};

/// Changes a batch after it was loaded and before the models see it.
pub trait BatchPostprocessor {
    /// The batch of the model that is the context's side, changed.
    fn process(&mut self, context: &StepContext, batch: Batch) -> Result<Batch>;

    /// What it remembers from call to call, if that goes into checkpoints.
    fn state(&mut self) -> Option<&mut dyn RoleState> {
        None
    }
}
