//! The role `kd-loss`.

use std::cell::RefCell;

use brewer::{RoleState, StepContext, loss::KdLoss};
use tch::Tensor;

use super::{PluginRole, returned, take_loss};
use crate::{
    bindings::exported::kd_loss::Guest as Exports,
    error::Result,
    guest::Guest,
    handles::Entry,
    loss_inputs::{KdInputs, Temperature, share},
    plugin::Plugin,
    trial::{Case, Made, Meter, Trial, text},
};

/// A component in the role of a KD loss.
pub struct PluginKdLoss {
    name: String,
    guest: RefCell<Guest<Exports>>,
}

impl PluginKdLoss {
    /// Starts the plugin.
    ///
    /// Errors: [`Error::Load`](crate::Error::Load) if it does not export the role, or if it fails while it starts.
    pub fn new(plugin: &Plugin) -> Result<Self> {
        let guest = Guest::new(plugin)?;
        Ok(Self { name: guest.name().to_owned(), guest: RefCell::new(guest) })
    }

    fn call(&self, inputs: KdInputs) -> Result<Tensor> {
        let mut guest = self.guest.borrow_mut();
        let call = guest.next_call(inputs.student.device());
        let student = [inputs.student.shallow_clone()];
        guest.call(PluginRole::KdLoss.to_string(), call, |store, exports| {
            let state = store.data_mut();
            let inputs = state.handles.insert(&state.limits, Entry::KdInputs(Box::new(inputs)))?;
            Ok(match exports.call_loss(&mut *store, inputs)? {
                Ok(loss) => take_loss(store.data_mut(), &loss, &student),
                Err(message) => Err(returned(message)),
            })
        })
    }
}

impl KdLoss for PluginKdLoss {
    fn name(&self) -> &str {
        &self.name
    }

    /// It may: what it does with them only the plugin knows.
    fn uses_labels(&self) -> bool {
        true
    }

    fn state(&mut self) -> Option<&mut dyn RoleState> {
        self.guest.get_mut().state()
    }

    fn begin_step(&mut self, context: &StepContext) {
        self.guest.get_mut().begin_step(context);
    }

    fn loss(&self, inputs: &brewer::loss::KdInputs<'_>) -> brewer::Result<Tensor> {
        Ok(self.call(KdInputs {
            student: inputs.student.shallow_clone(),
            teacher: inputs.teacher.f_detach()?,
            temperature: share(inputs.temperature),
            labels: inputs.labels.map(Tensor::shallow_clone),
        })?)
    }
}

impl Trial for PluginKdLoss {
    type Exports = Exports;

    fn run_case(plugin: &Plugin, case: &Case, meter: &Meter) -> Result<Made, String> {
        let mut loss = Self::new(plugin).map_err(|error| text(error.into()))?;
        let ((student, teacher), labels) = (case.logits()?, case.labels()?);
        let temperature = Temperature::Scalar(case.temperature);
        let inputs = brewer::loss::KdInputs {
            student: &student,
            teacher: &teacher,
            temperature: &temperature,
            labels: labels.as_ref(),
        };
        let measured = meter.measured(&mut loss, |loss| {
            loss.begin_step(&case.context_of_both());
            loss.loss(&inputs)
        })?;
        measured.made_loss(std::slice::from_ref(&student))
    }

    fn guest(&mut self) -> &mut Guest<Exports> {
        self.guest.get_mut()
    }

    fn anew(&self) -> Result<Self> {
        Self::new(self.guest.borrow().plugin())
    }
}
