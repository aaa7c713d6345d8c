//! From a model's outputs to the features that losses are computed from.

mod by_name;

pub use by_name::ByName;

use crate::{Batch, Features, Outputs, Result, RoleState, StepContext};

/// Takes the features of a batch out of a model's outputs. One adaptor may serve teacher and student: the context
/// says whose outputs these are. A teacher's call runs without grad; what is computed from a student's outputs is
/// differentiated through.
pub trait Adaptor {
    /// How messages name it: `built-in adaptor`, `plugin adaptor.wasm`.
    fn name(&self) -> &str;

    /// What identifies it beyond its name, for the head of a run: a digest, a version. Empty if nothing does.
    fn identity(&self) -> String {
        String::new()
    }

    /// Whether a stranger wrote it: what it returns may be anything, also where the built-in one passes on what the data loader
    /// has checked.
    fn is_plugin(&self) -> bool {
        false
    }

    /// What it remembers from call to call, if that goes into checkpoints.
    fn state(&mut self) -> Option<&mut dyn RoleState> {
        None
    }

    /// The features of a batch, of the model that is the context's side.
    fn adapt(&mut self, context: &StepContext, batch: &Batch, outputs: &Outputs) -> Result<Features>;
}
