//! What runs at every checkpoint.

use std::sync::Arc;

use indexmap::IndexMap;

use crate::data::Loader;
use crate::{Result, RoleState, StepContext, Student};

/// Whether training goes on after a callback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The run continues.
    Continue,
    /// The run ends after this checkpoint.
    Stop,
}

/// Scalars by name, in the order in which they were reported.
pub type Scalars = IndexMap<String, f64>;

/// A part of the data that a callback may be given.
#[derive(Clone)]
pub struct DataSplit {
    /// `train`, `dev` or another one's name; with several tasks `TASK_train`, `TASK_dev`.
    pub name: String,
    /// The task whose data it is, where there are several.
    pub task: Option<Arc<str>>,
    /// Its batches.
    pub loader: Loader,
}

/// Called at each checkpoint before it is saved, in the order of the run's callbacks. It finds in `scalars` what the evaluation
/// and the callbacks before it reported; what it adds lands in `metrics.jsonl` and in the checkpoint. If it fails, or an
/// interrupt comes before all callbacks are done, the checkpoint is saved all the same, and it is called again when the run
/// is resumed.
pub trait Callback {
    /// How messages name it.
    fn name(&self) -> &str;

    /// Looks at the student; the context is that of the step which would follow, but for the epoch, which is the last
    /// step's.
    fn on_checkpoint(&mut self, student: &Student, context: &StepContext, scalars: &mut Scalars) -> Result<Action>;

    /// What it remembers from call to call, if that goes into checkpoints.
    fn state(&mut self) -> Option<&mut dyn RoleState> {
        None
    }

    /// Refuses a configuration that names scalars which nothing reports. `known` are those that are reported before it is
    /// called.
    fn check_scalars(&self, _known: &[String]) -> Result<()> {
        Ok(())
    }

    /// Does once what it does at a checkpoint, on little data, so that a mistake shows before the run. What it reports
    /// goes into `scalars`; it keeps nothing of the call.
    fn rehearse(&mut self, student: &Student, scalars: &mut Scalars) -> Result<()>;
}
