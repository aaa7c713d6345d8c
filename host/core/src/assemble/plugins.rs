//! What an experiment names as plugins.

use std::collections::BTreeMap;

use crate::callback::DataSplit;
use crate::experiment::{ExperimentError, PluginSpec, PluginSpecs};
use crate::loss::{KdLoss, LossError, MatchLoss, PluginLosses};
use crate::model::ModelSpec;
use crate::names::nearest;
use crate::temperature::TemperatureScheduler;
use crate::weight::WeightScheduler;
use crate::{Adaptor, BatchPostprocessor, Callback, Result};

/// Makes the implementations of traits that an experiment names as plugins. A source that knows no plugins of a role
/// leaves its method out.
pub trait PluginSource {
    /// The digest of the component, `sha256:HEX`: a teacher's cache is of one.
    fn digest(&mut self, spec: &PluginSpec) -> Result<String> {
        unknown_role(spec, "what a cache is made of")
    }

    /// An adaptor of its own for one model.
    fn adaptor(&mut self, spec: &PluginSpec) -> Result<Box<dyn Adaptor>> {
        unknown_role(spec, "an adaptor")
    }

    /// A batch post-processor for one task; `readers` are the models that are run on what it returns.
    fn batch_postprocessor(
        &mut self,
        spec: &PluginSpec,
        _readers: Vec<ModelSpec>,
    ) -> Result<Box<dyn BatchPostprocessor>> {
        unknown_role(spec, "a batch post-processor")
    }

    /// A callback; `splits` are the data that it may be given.
    fn callback(&mut self, spec: &PluginSpec, _splits: &[DataSplit]) -> Result<Box<dyn Callback>> {
        unknown_role(spec, "a callback")
    }

    /// A KD loss.
    fn kd_loss(&mut self, spec: &PluginSpec) -> Result<Box<dyn KdLoss>> {
        unknown_role(spec, "a KD loss")
    }

    /// A match loss.
    fn match_loss(&mut self, spec: &PluginSpec) -> Result<Box<dyn MatchLoss>> {
        unknown_role(spec, "a match loss")
    }

    /// A temperature scheduler.
    fn temperature_scheduler(&mut self, spec: &PluginSpec) -> Result<Box<dyn TemperatureScheduler>> {
        unknown_role(spec, "a temperature scheduler")
    }

    /// A weight scheduler.
    fn weight_scheduler(&mut self, spec: &PluginSpec) -> Result<Box<dyn WeightScheduler>> {
        unknown_role(spec, "a weight scheduler")
    }
}

fn unknown_role<T>(spec: &PluginSpec, role: &str) -> Result<T> {
    let message = format!("{} cannot be run as {role} here", spec.reference());
    Err(ExperimentError::Combination { key: "plugins", message }.into())
}

/// The losses and schedulers that stand under names in the experiment.
pub(super) struct NamedPlugins<'a> {
    pub specs: &'a PluginSpecs,
    pub source: &'a mut dyn PluginSource,
}

impl PluginLosses for NamedPlugins<'_> {
    fn kd_loss(&mut self, key: &str, name: &str) -> Result<Box<dyn KdLoss>> {
        self.source.kd_loss(find(key, name, "losses", &self.specs.losses)?)
    }

    fn match_loss(&mut self, key: &str, name: &str) -> Result<Box<dyn MatchLoss>> {
        self.source.match_loss(find(key, name, "losses", &self.specs.losses)?)
    }

    fn temperature_scheduler(&mut self, key: &str, name: &str) -> Result<Box<dyn TemperatureScheduler>> {
        self.source.temperature_scheduler(find(key, name, "schedulers", &self.specs.schedulers)?)
    }

    fn weight_scheduler(&mut self, key: &str, name: &str) -> Result<Box<dyn WeightScheduler>> {
        self.source.weight_scheduler(find(key, name, "schedulers", &self.specs.schedulers)?)
    }
}

fn find<'s>(key: &str, name: &str, list: &str, specs: &'s BTreeMap<String, PluginSpec>) -> Result<&'s PluginSpec> {
    let known: Vec<&String> = specs.keys().collect();
    let unknown = || LossError::Value {
        key: key.to_owned(),
        found: format!("there is no plugin `{name}`{}", nearest(name, &known)),
        expected: format!(r#"a name in "plugins": {{ "{list}": {{ "{name}": {{ "path": … }} }} }}"#),
    };
    Ok(specs.get(name).ok_or_else(unknown)?)
}
