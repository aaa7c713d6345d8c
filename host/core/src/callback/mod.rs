//! What runs at every checkpoint.

use std::rc::Rc;

use indexmap::IndexMap;

use crate::{Model, Result};

/// Whether training goes on after a callback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Continue,
    Stop,
}

/// Scalars by name, in the order in which they were reported.
pub type Scalars = IndexMap<String, f64>;

/// Called after each checkpoint was saved, in the order of the run's callbacks. What it puts into `scalars` lands in
/// `metrics.jsonl`.
pub trait Callback {
    /// How messages name it.
    fn name(&self) -> &str;

    fn on_checkpoint(&mut self, model: &Rc<dyn Model>, step: u64, scalars: &mut Scalars) -> Result<Action>;

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
    fn rehearse(&mut self, model: &Rc<dyn Model>, scalars: &mut Scalars) -> Result<()>;
}
