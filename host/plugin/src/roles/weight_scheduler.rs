//! The role `weight-scheduler`.

use brewer::{RoleState, StepContext, weight::WeightScheduler};
use tch::{Device, no_grad};

use super::{PluginRole, returned, unlike};
use crate::{
    bindings::exported::weight_scheduler::Guest as Exports,
    error::Result,
    guest::Guest,
    plugin::Plugin,
    trial::{Case, Made, Meter, Returned, Trial, text},
};

/// A component in the role of a weight scheduler.
pub struct PluginWeightScheduler(Guest<Exports>);

impl PluginWeightScheduler {
    /// Starts the plugin.
    ///
    /// Errors: [`Error::Load`](crate::Error::Load) if it does not export the role, or if it fails while it starts.
    pub fn new(plugin: &Plugin) -> Result<Self> {
        Ok(Self(Guest::new(plugin)?))
    }

    fn call(&mut self, context: &StepContext) -> Result<f64> {
        let progress = context.progress;
        let call = self.0.call_at(context, Device::Cpu);
        let about = format!("{}, progress {progress}", PluginRole::WeightScheduler);
        self.0.call(about, call, |store, exports| {
            Ok(match exports.call_weight(store, progress)? {
                Ok(weight) if weight.is_finite() => Ok(weight),
                Ok(weight) => Err(unlike(format!("the weight {weight}"), "a finite number")),
                Err(message) => Err(returned(message)),
            })
        })
    }
}

impl WeightScheduler for PluginWeightScheduler {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn state(&mut self) -> Option<&mut dyn RoleState> {
        self.0.state()
    }

    fn weight(&mut self, context: &StepContext) -> brewer::Result<f64> {
        Ok(no_grad(|| self.call(context))?)
    }
}

impl Trial for PluginWeightScheduler {
    type Exports = Exports;

    fn run_case(plugin: &Plugin, case: &Case, meter: &Meter) -> Result<Made, String> {
        let mut scheduler = Self::new(plugin).map_err(|error| text(error.into()))?;
        let context = case.context_of_both();
        let measured = meter.measured(&mut scheduler, |scheduler| scheduler.weight(&context))?;
        let returned = Returned::number("weight", measured.value);
        Ok(measured.made(vec![returned]))
    }

    fn guest(&mut self) -> &mut Guest<Exports> {
        &mut self.0
    }

    fn anew(&self) -> Result<Self> {
        Ok(Self(Guest::new(self.0.plugin())?))
    }
}
