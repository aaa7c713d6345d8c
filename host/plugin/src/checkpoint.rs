//! What a callback may ask for while it runs: the student, the data, the numbers reported so far.

use std::{fmt, rc::Rc, sync::Arc};

use brewer::{Batch, Student, callback::Scalars, data::Loader};

use crate::{
    bindings::tensor::ErrorCode,
    error::{OpError, OpResult},
    state::State,
};

/// A checkpoint, for the length of a call.
pub(crate) struct Checkpoint {
    pub(crate) student: Student,
    pub(crate) splits: Rc<[Split]>,
    pub(crate) scalars: Scalars,
}

/// A part of the data.
pub(crate) struct Split {
    pub(crate) name: String,
    /// The task whose data it is, where there are several.
    pub(crate) task: Option<Arc<str>>,
    pub(crate) batches: Box<dyn Batches>,
}

/// Batches that are the same whenever they are read.
pub(crate) trait Batches {
    fn count(&self) -> usize;

    /// The batch at a place, on the CPU; `None` past the end.
    fn batch(&self, index: usize) -> brewer::Result<Option<Batch>>;
}

/// The batches of a loader's first epoch.
pub(crate) struct FirstEpoch {
    loader: Loader,
    /// In the order in which batches take them.
    examples: Vec<usize>,
}

impl FirstEpoch {
    pub(crate) fn new(loader: Loader) -> Self {
        Self { examples: loader.examples(0), loader }
    }
}

impl Batches for FirstEpoch {
    fn count(&self) -> usize {
        self.loader.len()
    }

    fn batch(&self, index: usize) -> brewer::Result<Option<Batch>> {
        let examples = self.examples.chunks(self.loader.batch_size()).nth(index);
        examples.map(|examples| self.loader.dataset().batch(examples)).transpose()
    }
}

impl fmt::Debug for Checkpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let splits: Vec<_> = self.splits.iter().map(|split| &split.name).collect();
        formatter.debug_struct("Checkpoint").field("splits", &splits).field("scalars", &self.scalars).finish()
    }
}

impl State {
    /// Counts a request for something that only callbacks get.
    pub(crate) fn checkpoint(&mut self) -> OpResult<&mut Checkpoint> {
        self.operation()?;
        self.call.checkpoint.as_mut().ok_or_else(|| {
            let message = "model, dataset and metrics are there for callbacks alone";
            OpError::new(ErrorCode::NotPermitted, message)
        })
    }
}
