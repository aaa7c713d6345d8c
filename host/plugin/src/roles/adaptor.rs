//! The role `adaptor`.

use brewer::{Adaptor, Batch, Features, Outputs, RoleState, StepContext};

use super::{guest_context, place, returned, whose};
use crate::{
    batch::Columns,
    bindings::exported::adaptor::Guest as Exports,
    error::{Cause, Released, Result},
    guest::Guest,
    handles::Entry,
    outputs::ModelOutputs,
    plugin::Plugin,
    trial::{Case, Made, Meter, Returned, Trial, text},
};

/// A component in the role of an adaptor.
pub struct PluginAdaptor(Guest<Exports>);

impl PluginAdaptor {
    /// Starts the plugin.
    ///
    /// Errors: [`Error::Load`](crate::Error::Load) if it does not export the role, or if it fails while it starts.
    pub fn new(plugin: &Plugin) -> Result<Self> {
        Ok(Self(Guest::new(plugin)?))
    }

    fn call(&mut self, context: &StepContext, batch: &Batch, outputs: &Outputs) -> Result<Features> {
        let columns = Columns::new(batch);
        let of_model = ModelOutputs::new(outputs);
        let mut given = of_model.given();
        given.tensors = given.tensors.saturating_add(columns.elements());
        let device = of_model.computed().next().map_or(columns.device(), |tensor| tensor.device());
        let call = self.0.call_at(context, device);
        let about = format!("{}, {}", whose(context), place(context));
        self.0.call(about, call, |store, exports| {
            let state = store.data_mut();
            let batch = state.handles.insert(&state.limits, Entry::Batch(columns))?;
            let of_model = state.handles.insert(&state.limits, Entry::Outputs(of_model))?;
            let answer = exports.call_adapt(&mut *store, &guest_context(context), batch, of_model);
            let state = store.data_mut();
            // Also of a call that failed: what was not computed is asked for next time.
            std::mem::take(&mut state.call.reads).iter().for_each(|output| outputs.record(output));
            let features = match answer? {
                Ok(features) => features,
                Err(message) => return Ok(Err(returned(message))),
            };
            Ok(match state.handles.remove(&features) {
                Some(Entry::Features(draft)) if draft.len() == 0 => Err(Cause::NoFeatures),
                Some(Entry::Features(draft)) => match state.spend(&draft.cost(given)?) {
                    Ok(()) => Ok(draft.finish()),
                    Err(error) => Err(Cause::Limit(error.of_result("returned features of which losses are computed"))),
                },
                _ => Err(Cause::Released(Released("features").to_string())),
            })
        })
    }
}

impl Adaptor for PluginAdaptor {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn identity(&self) -> String {
        let plugin = self.0.plugin();
        let kibibytes = plugin.size().div_ceil(1024);
        format!("sha256 {}…, {kibibytes} KiB", &plugin.digest()[..12])
    }

    fn is_plugin(&self) -> bool {
        true
    }

    fn state(&mut self) -> Option<&mut dyn RoleState> {
        self.0.state()
    }

    fn adapt(&mut self, context: &StepContext, batch: &Batch, outputs: &Outputs) -> brewer::Result<Features> {
        Ok(self.call(context, batch, outputs)?)
    }
}

impl Trial for PluginAdaptor {
    type Exports = Exports;

    fn run_case(plugin: &Plugin, case: &Case, meter: &Meter) -> Result<Made, String> {
        let mut adaptor = Self::new(plugin).map_err(|error| text(error.into()))?;
        let (context, batch, outputs) = (case.context(), case.batch()?, case.outputs()?);
        let measured = meter.measured(&mut adaptor, |adaptor| adaptor.adapt(&context, &batch, &outputs))?;
        let returned = measured.value.summary().into_iter().map(|(key, text)| Returned::text(key, text)).collect();
        Ok(measured.made(returned))
    }

    fn guest(&mut self) -> &mut Guest<Exports> {
        &mut self.0
    }

    fn anew(&self) -> Result<Self> {
        Ok(Self(Guest::new(self.0.plugin())?))
    }
}
