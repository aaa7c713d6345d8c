//! The role `batch-postprocessor`.

use brewer::{AdaptContext, Batch, BatchPostprocessor};
use tch::no_grad;

use super::{guest_context, place, returned, unlike};
use crate::{
    batch::Columns,
    bindings::exported::batch_postprocessor::Guest as Exports,
    contract::PluginRole,
    error::{Cause, Released, Result},
    guest::Guest,
    handles::Entry,
    limits::Usage,
    plugin::Plugin,
};

/// A component in the role of a batch post-processor.
pub struct PluginBatchPostprocessor(Guest<Exports>);

impl PluginBatchPostprocessor {
    /// Starts the plugin.
    ///
    /// Errors: [`Error::Load`](crate::Error::Load) if it does not export the role, or if it fails while it starts.
    pub fn new(plugin: &Plugin) -> Result<Self> {
        Ok(Self(Guest::new(plugin)?))
    }

    /// What the last call used.
    pub(crate) fn usage(&self) -> Usage {
        self.0.usage()
    }

    fn call(&mut self, context: &AdaptContext, batch: &Batch) -> Result<Batch> {
        let columns = Columns::new(batch);
        let call = self.0.call_at(context, columns.device());
        let about = format!("{}, {}", PluginRole::BatchPostprocessor, place(context));
        self.0.call(about, call, |store, exports| {
            let state = store.data_mut();
            let batch = state.handles.insert(&state.limits, Entry::Batch(columns))?;
            let processed = match exports.call_process(&mut *store, &guest_context(context), batch)? {
                Ok(processed) => processed,
                Err(message) => return Ok(Err(returned(message))),
            };
            Ok(match store.data_mut().handles.remove(&processed) {
                Some(Entry::Batch(columns)) => check(columns.batch()),
                _ => Err(Cause::Released(Released("batch").to_string())),
            })
        })
    }
}

/// One tensor or more, of one number of examples, at least 1.
fn check(batch: Batch) -> Result<Batch, Cause> {
    let Some((first_name, first)) = batch.iter().next() else {
        return Err(unlike("a batch without a tensor", "the tensors that the models are called with"));
    };
    let examples = first.size().first().copied();
    if examples.is_none_or(|examples| examples < 1) {
        let found = format!("`{first_name}` of {:?}", first.size());
        return Err(unlike(found, "one example or more in the first dimension"));
    }
    if let Some((name, tensor)) = batch.iter().find(|(_, tensor)| tensor.size().first().copied() != examples) {
        let found = format!("`{first_name}` of {:?} and `{name}` of {:?}", first.size(), tensor.size());
        return Err(unlike(found, "the same number of examples, the first dimension, in all"));
    }
    Ok(batch)
}

impl BatchPostprocessor for PluginBatchPostprocessor {
    fn process(&mut self, context: &AdaptContext, batch: Batch) -> brewer::Result<Batch> {
        Ok(no_grad(|| self.call(context, &batch))?)
    }
}
