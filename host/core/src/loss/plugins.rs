use super::{KdLoss, LossError, MatchLoss, NameAndParameters, kd_loss, match_loss};
use crate::Result;
use crate::temperature::{TemperatureScheduler, temperature_scheduler};
use crate::weight::{WeightScheduler, weight_scheduler};

/// Makes what a configuration names as `plugin:NAME`. `key` is where the name stands, for messages.
pub trait PluginLosses {
    fn kd_loss(&mut self, key: &str, name: &str) -> Result<Box<dyn KdLoss>>;
    fn match_loss(&mut self, key: &str, name: &str) -> Result<Box<dyn MatchLoss>>;
    fn temperature_scheduler(&mut self, key: &str, name: &str) -> Result<Box<dyn TemperatureScheduler>>;
    fn weight_scheduler(&mut self, key: &str, name: &str) -> Result<Box<dyn WeightScheduler>>;
}

/// What a plugin's name begins with where a built-in could be named.
pub const PLUGIN_PREFIX: &str = "plugin:";

/// `NAME` of `plugin:NAME`. A plugin has a configuration of its own in place of parameters.
fn plugin<'s>(key: &str, spec: &'s NameAndParameters) -> Result<Option<&'s str>> {
    let Some(name) = spec.name().strip_prefix(PLUGIN_PREFIX) else { return Ok(None) };
    match spec {
        NameAndParameters::Name(_) => Ok(Some(name)),
        NameAndParameters::WithParameters(_) => Err(LossError::Value {
            key: key.to_owned(),
            found: serde_json::to_string(spec).unwrap_or_default(),
            expected: format!(r#""{PLUGIN_PREFIX}{name}" alone; its parameters are the plugin's `config`"#),
        }
        .into()),
    }
}

/// The KD loss that `kd_loss_type` names.
pub(super) fn make_kd_loss(spec: &NameAndParameters, plugins: &mut dyn PluginLosses) -> Result<Box<dyn KdLoss>> {
    let key = "distillation.kd_loss_type";
    match plugin(key, spec)? {
        Some(name) => plugins.kd_loss(key, name),
        None => kd_loss(spec),
    }
}

/// The match loss that stands at `key`.
pub(super) fn make_match_loss(
    key: &str,
    spec: &NameAndParameters,
    plugins: &mut dyn PluginLosses,
) -> Result<Box<dyn MatchLoss>> {
    match plugin(key, spec)? {
        Some(name) => plugins.match_loss(key, name),
        None => match_loss(key, spec),
    }
}

pub(super) fn make_temperature_scheduler(
    spec: &NameAndParameters,
    plugins: &mut dyn PluginLosses,
) -> Result<Box<dyn TemperatureScheduler>> {
    let key = "distillation.temperature_scheduler";
    match plugin(key, spec)? {
        Some(name) => plugins.temperature_scheduler(key, name),
        None => temperature_scheduler(spec),
    }
}

/// The weight scheduler that stands at `key`.
pub(super) fn make_weight_scheduler(
    key: &str,
    name: &str,
    plugins: &mut dyn PluginLosses,
) -> Result<Box<dyn WeightScheduler>> {
    match name.strip_prefix(PLUGIN_PREFIX) {
        Some(name) => plugins.weight_scheduler(key, name),
        None => weight_scheduler(key, name),
    }
}
