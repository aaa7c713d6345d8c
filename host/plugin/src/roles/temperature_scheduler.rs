//! The role `temperature-scheduler`.

use std::cell::RefCell;

use brewer::{
    RoleState, StepContext,
    temperature::{Temperature, TemperatureScheduler},
};
use tch::{Tensor, no_grad};

use super::{PluginRole, described, refused, returned, unlike};
use crate::{
    bindings::exported::temperature_scheduler::Guest as Exports,
    error::{Cause, Released, Result},
    guest::Guest,
    handles::Entry,
    plugin::Plugin,
    trial::{Case, Made, Meter, Returned, Trial, text},
};

/// A component in the role of a temperature scheduler.
pub struct PluginTemperatureScheduler {
    name: String,
    guest: RefCell<Guest<Exports>>,
}

impl PluginTemperatureScheduler {
    /// Starts the plugin.
    ///
    /// Errors: [`Error::Load`](crate::Error::Load) if it does not export the role, or if it fails while it starts.
    pub fn new(plugin: &Plugin) -> Result<Self> {
        let guest = Guest::new(plugin)?;
        Ok(Self { name: guest.name().to_owned(), guest: RefCell::new(guest) })
    }

    fn call(&self, student: Tensor, teacher: Tensor, base: f64) -> Result<Temperature> {
        let mut guest = self.guest.borrow_mut();
        let call = guest.next_call(student.device());
        guest.call(PluginRole::TemperatureScheduler.to_string(), call, |store, exports| {
            let shape = student.size();
            let state = store.data_mut();
            let student = state.handles.insert(&state.limits, Entry::Tensor(student))?;
            let teacher = state.handles.insert(&state.limits, Entry::Tensor(teacher))?;
            let chosen = match exports.call_choose(&mut *store, student, teacher, base)? {
                Ok(chosen) => chosen,
                Err(message) => return Ok(Err(returned(message))),
            };
            Ok(match store.data_mut().handles.remove(&chosen) {
                Some(Entry::Temperature(temperature)) => check(temperature, &shape),
                _ => Err(Cause::Released(Released("temperature").to_string())),
            })
        })
    }
}

/// A finite number above 0, or one for each row of logits of `shape`.
fn check(temperature: Temperature, shape: &[i64]) -> Result<Temperature, Cause> {
    let expected = "finite numbers above 0";
    match &temperature {
        Temperature::Scalar(value) if value.is_finite() && *value > 0.0 => {}
        Temperature::Scalar(value) => return Err(unlike(format!("the temperature {value}"), expected)),
        Temperature::PerExample(values) => {
            let rows = shape.split_last().map_or(&[][..], |(_, rows)| rows);
            if values.size() != rows {
                let found = format!("temperatures of {}", described(values)?);
                return Err(unlike(found, format!("one for each row of logits of {shape:?}, {rows:?}")));
            }
            if let Some(value) = first_unusable(values).map_err(refused)? {
                return Err(unlike(format!("the temperature {value} for an example"), expected));
            }
        }
    }
    Ok(temperature)
}

/// The first element that is not finite or not above 0.
fn first_unusable(values: &Tensor) -> Result<Option<f64>, tch::TchError> {
    let usable = values.f_isfinite()?.f_logical_and(&values.f_gt(0)?)?;
    if usable.f_all()?.f_int64_value(&[])? != 0 {
        return Ok(None);
    }
    let first = values.f_masked_select(&usable.f_logical_not()?)?.f_select(0, 0)?;
    Ok(Some(first.f_double_value(&[])?))
}

impl TemperatureScheduler for PluginTemperatureScheduler {
    fn name(&self) -> &str {
        &self.name
    }

    fn state(&mut self) -> Option<&mut dyn RoleState> {
        self.guest.get_mut().state()
    }

    fn begin_step(&mut self, context: &StepContext) {
        self.guest.get_mut().begin_step(context);
    }

    fn temperature(&self, student: &Tensor, teacher: &Tensor, base: f64) -> brewer::Result<Temperature> {
        let (student, teacher) = (student.f_detach()?, teacher.f_detach()?);
        Ok(no_grad(|| self.call(student, teacher, base))?)
    }
}

impl Trial for PluginTemperatureScheduler {
    type Exports = Exports;

    fn run_case(plugin: &Plugin, case: &Case, meter: &Meter) -> Result<Made, String> {
        let mut scheduler = Self::new(plugin).map_err(|error| text(error.into()))?;
        let (student, teacher) = case.logits()?;
        let measured = meter.measured(&mut scheduler, |scheduler| {
            scheduler.begin_step(&case.context_of_both());
            scheduler.temperature(&student, &teacher, case.temperature)
        })?;
        let returned = match &measured.value {
            Temperature::Scalar(value) => Returned::number("temperature", *value),
            Temperature::PerExample(values) => Returned::tensor("temperature", values),
        };
        Ok(measured.made(vec![returned]))
    }

    fn guest(&mut self) -> &mut Guest<Exports> {
        self.guest.get_mut()
    }

    fn anew(&self) -> Result<Self> {
        Self::new(self.guest.borrow().plugin())
    }
}
