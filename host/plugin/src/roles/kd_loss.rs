//! The role `kd-loss`.

use brewer::{RoleState, StepContext, loss::kd::KdLoss};
use tch::Tensor;

use super::{returned, take_loss};
use crate::{
    bindings::exported::kd_loss::Guest as Exports,
    contract::PluginRole,
    error::Result,
    guest::Guest,
    handles::Entry,
    limits::Usage,
    loss_inputs::{KdInputs, share},
    plugin::Plugin,
};

/// A component in the role of a KD loss.
pub struct PluginKdLoss(Guest<Exports>);

impl PluginKdLoss {
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

    fn call(&mut self, inputs: KdInputs) -> Result<Tensor> {
        let call = self.0.next_call(inputs.student.device());
        let student = [inputs.student.shallow_clone()];
        let rows = inputs.student.size().first().copied();
        self.0.call(PluginRole::KdLoss.to_string(), call, |store, exports| {
            let state = store.data_mut();
            let inputs = state.handles.insert(&state.limits, Entry::KdInputs(Box::new(inputs)))?;
            Ok(match exports.call_loss(&mut *store, inputs)? {
                Ok(loss) => take_loss(store.data_mut(), &loss, &student, rows),
                Err(message) => Err(returned(message)),
            })
        })
    }
}

impl KdLoss for PluginKdLoss {
    fn name(&self) -> &str {
        self.0.name()
    }

    /// It may: what it does with them only the plugin knows.
    fn uses_labels(&self) -> bool {
        true
    }

    fn state(&mut self) -> Option<&mut dyn RoleState> {
        self.0.state()
    }

    fn begin_step(&mut self, context: &StepContext) {
        self.0.begin_step(context);
    }

    fn rows(&mut self, inputs: &brewer::loss::kd::KdInputs<'_>) -> brewer::Result<Tensor> {
        Ok(self.call(KdInputs {
            student: inputs.student.shallow_clone(),
            teacher: inputs.teacher.f_detach()?,
            temperature: share(inputs.temperature),
            labels: inputs.labels.map(Tensor::shallow_clone),
        })?)
    }
}
