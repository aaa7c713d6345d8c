//! The role `batch-postprocessor`.

use brewer::{Batch, BatchPostprocessor, RoleState, StepContext, model::ModelSpec};
use tch::{Tensor, no_grad};

use super::{PluginRole, guest_context, place, returned, unlike};
use crate::{
    batch::Columns,
    bindings::exported::batch_postprocessor::Guest as Exports,
    error::{Cause, OpError, Released, Result},
    guest::Guest,
    handles::Entry,
    limits::{Cost, LimitError},
    model::{check_indices, training_cost},
    plugin::Plugin,
    state::State,
    text::clean_name,
    trial::{Case, Made, Meter, Returned, Trial, text},
};

/// A component in the role of a batch post-processor.
pub struct PluginBatchPostprocessor {
    guest: Guest<Exports>,
    readers: Vec<ModelSpec>,
}

/// By how much a batch may grow before what the models take of it counts as the plugin's: twice the examples are what an
/// augmentation makes.
const FREE_GROWTH: u64 = 2;

impl PluginBatchPostprocessor {
    /// Starts the plugin. `readers` are the models that are run on what it returns: a batch that it makes too large for
    /// them is refused.
    ///
    /// Errors: [`Error::Load`](crate::Error::Load) if it does not export the role, or if it fails while it starts.
    pub fn new(plugin: &Plugin, readers: Vec<ModelSpec>) -> Result<Self> {
        Ok(Self { guest: Guest::new(plugin)?, readers })
    }

    fn call(&mut self, context: &StepContext, batch: &Batch) -> Result<Batch> {
        let columns = Columns::new(batch);
        let call = self.guest.call_at(context, columns.device());
        let readers = &self.readers;
        let about = format!("{}, {}", PluginRole::BatchPostprocessor, place(context));
        self.guest.call(about, call, |store, exports| {
            let state = store.data_mut();
            let handle = state.handles.insert(&state.limits, Entry::Batch(columns))?;
            let processed = match exports.call_process(&mut *store, &guest_context(context), handle)? {
                Ok(processed) => processed,
                Err(message) => return Ok(Err(returned(message))),
            };
            let state = store.data_mut();
            Ok(match state.handles.remove(&processed) {
                Some(Entry::Batch(columns)) => check(columns.batch()).and_then(|processed| {
                    let State { call, limits, .. } = state;
                    let growth = growth(batch, &processed, readers);
                    call.usage.count(limits, &growth).map_err(|error| Cause::Limit(too_large(&processed, error)))?;
                    check_indices(&processed, readers).map_err(unreadable)?;
                    Ok(processed)
                }),
                _ => Err(Cause::Released(Released("batch").to_string())),
            })
        })
    }
}

/// What the models take of the batch that came back beyond what they take of the one that was given.
fn growth(given: &Batch, returned: &Batch, readers: &[ModelSpec]) -> Cost {
    let of_models =
        |batch: &Batch| readers.iter().fold(Cost::default(), |sum, reader| sum.plus(&training_cost(batch, reader)));
    of_models(returned).minus(&of_models(given).times(FREE_GROWTH))
}

fn too_large(batch: &Batch, error: LimitError) -> LimitError {
    let shape = batch.get("input_ids").map(Tensor::size).unwrap_or_default();
    error.of_result(&format!("returned `input_ids` of {shape:?} to run the models on"))
}

/// What a model cannot look up.
fn unreadable(error: OpError) -> Cause {
    let found = match error {
        OpError::Refused(error) => error.message,
        OpError::Trap(error) => error.to_string(),
    };
    unlike(format!("a batch that the models cannot read: {found}"), "indices that they have, and -100 for no label")
}

/// One tensor or more, of one number of examples, at least 1.
fn check(batch: Batch) -> Result<Batch, Cause> {
    let Some((first_name, first)) = batch.iter().next() else {
        return Err(unlike("a batch without a tensor", "the tensors that the models are called with"));
    };
    let examples = first.size().first().copied();
    if examples.is_none_or(|examples| examples < 1) {
        let found = format!("`{}` of {:?}", clean_name(first_name), first.size());
        return Err(unlike(found, "one example or more in the first dimension"));
    }
    if let Some((name, tensor)) = batch.iter().find(|(_, tensor)| tensor.size().first().copied() != examples) {
        let (first_name, name) = (clean_name(first_name), clean_name(name));
        let found = format!("`{first_name}` of {:?} and `{name}` of {:?}", first.size(), tensor.size());
        return Err(unlike(found, "the same number of examples, the first dimension, in all"));
    }
    Ok(batch)
}

impl BatchPostprocessor for PluginBatchPostprocessor {
    fn process(&mut self, context: &StepContext, batch: Batch) -> brewer::Result<Batch> {
        Ok(no_grad(|| self.call(context, &batch))?)
    }

    fn state(&mut self) -> Option<&mut dyn RoleState> {
        self.guest.state()
    }
}

impl Trial for PluginBatchPostprocessor {
    type Exports = Exports;

    fn run_case(plugin: &Plugin, case: &Case, meter: &Meter) -> Result<Made, String> {
        let mut postprocessor = Self::new(plugin, vec![]).map_err(|error| text(error.into()))?;
        let (context, batch) = (case.context(), case.batch()?);
        let copy = || batch.iter().map(|(name, tensor)| (name.to_owned(), tensor.shallow_clone())).collect();
        let measured = meter.measured(&mut postprocessor, |postprocessor| postprocessor.process(&context, copy()))?;
        let returned =
            measured.value.iter().map(|(name, tensor)| Returned::tensor(&clean_name(name), tensor)).collect();
        Ok(measured.made(returned))
    }

    fn guest(&mut self) -> &mut Guest<Exports> {
        &mut self.guest
    }

    fn anew(&self) -> Result<Self> {
        Ok(Self { guest: Guest::new(self.guest.plugin())?, readers: self.readers.clone() })
    }
}
