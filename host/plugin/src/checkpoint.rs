//! What a callback may ask for while it runs: the student, the data, the numbers reported so far.

use std::{fmt, rc::Rc};

use brewer::{Model, callback::Scalars, data::Loader};

use crate::{
    bindings::tensor::ErrorCode,
    error::{OpError, OpResult},
    state::State,
};

/// A checkpoint, for the length of a call.
pub(crate) struct Checkpoint {
    pub(crate) student: Rc<dyn Model>,
    pub(crate) splits: Rc<[Split]>,
    pub(crate) scalars: Scalars,
}

/// A part of the data.
pub(crate) struct Split {
    pub(crate) name: String,
    pub(crate) loader: Loader,
    /// Its examples in the order in which batches take them.
    pub(crate) examples: Vec<usize>,
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
