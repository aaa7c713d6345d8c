//! The role `kd-loss`.

use brewer::schedule::temperature::Temperature;
use brewer::{RoleState, StepContext, loss::kd::KdLoss};
use tch::{Kind, Tensor};

use super::{PluginRole, returned, take_loss};
use crate::{
    bindings::exported::kd_loss::Guest as Exports,
    error::Result,
    guest::Guest,
    handles::Entry,
    loss_inputs::{KdInputs, share},
    plugin::Plugin,
    trial::{Case, Made, Meter, Trial, text},
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

impl Trial for PluginKdLoss {
    type Exports = Exports;

    fn run_case(plugin: &Plugin, case: &Case, meter: &Meter) -> Result<Made, String> {
        let mut loss = Self::new(plugin).map_err(|error| text(error.into()))?;
        let ((student, teacher), labels) = (case.logits()?, case.labels()?);
        let temperature = Temperature::Scalar(case.temperature);
        let in_rows = |tensor: &Tensor| in_rows(tensor, &student).map_err(|error| text(error.into()));
        let (of_student, of_teacher) = (in_rows(&student)?, in_rows(&teacher)?);
        let labels = labels.as_ref().map(in_rows).transpose()?;
        let inputs = brewer::loss::kd::KdInputs {
            student: &of_student,
            teacher: &of_teacher,
            temperature: &temperature,
            labels: labels.as_ref(),
        };
        let measured = meter.measured(&mut loss, |loss| {
            loss.begin_step(&case.context_of_both());
            Ok(loss.rows(&inputs)?.f_mean(None::<Kind>)?)
        })?;
        measured.made_loss(std::slice::from_ref(&student))
    }

    fn guest(&mut self) -> &mut Guest<Exports> {
        &mut self.0
    }

    fn anew(&self) -> Result<Self> {
        Self::new(self.0.plugin())
    }
}

/// Logits `[…, classes]`, or their labels, as a run gives them to a KD loss: `[rows, classes]`, `[rows]`.
fn in_rows(tensor: &Tensor, logits: &Tensor) -> Result<Tensor, tch::TchError> {
    match logits.size().last() {
        Some(&classes) if tensor.size() == logits.size() => tensor.f_reshape([-1, classes]),
        _ => tensor.f_reshape([-1]),
    }
}
