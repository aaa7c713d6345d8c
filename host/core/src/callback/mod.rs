//! What runs at every checkpoint.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

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
    /// `train` and `dev`, with several tasks `TASK_train` and `TASK_dev`.
    pub name: String,
    /// The task whose data it is, where there are several.
    pub task: Option<Arc<str>>,
    /// Its batches.
    pub loader: Loader,
}

/// Called at each checkpoint before it is saved, in the order of the run's callbacks. What it puts into `scalars` lands
/// in `metrics.jsonl` and in the checkpoint. If it fails, the checkpoint is saved all the same.
pub trait Callback {
    /// How messages name it.
    fn name(&self) -> &str;

    /// Looks at the student; the context is that of the step which would follow, but for the epoch, which is the last
    /// step's. Once `interrupt` is raised, what is returned and reported is not
    /// used: a callback that takes long returns early then, and is called again when the run is resumed.
    fn on_checkpoint(
        &mut self,
        student: &Student,
        context: &StepContext,
        scalars: &mut Scalars,
        interrupt: &AtomicBool,
    ) -> Result<Action>;

    /// What it remembers from call to call, if that goes into checkpoints.
    fn state(&mut self) -> Option<&mut dyn RoleState> {
        None
    }

    /// The names of what it reports at a checkpoint; `None` if only a call can tell.
    fn scalar_names(&self) -> Option<Vec<String>> {
        None
    }

    /// Refuses a configuration that names scalars which nothing reports. `known` are those of the callbacks before it.
    fn check_scalars(&self, _known: &[String]) -> Result<()> {
        Ok(())
    }

    /// Does once what it does at a checkpoint, on little data, so that a mistake shows before the run. What it reports
    /// goes into `scalars`; it keeps nothing of the call.
    fn rehearse(&mut self, student: &Student, scalars: &mut Scalars) -> Result<()>;
}
