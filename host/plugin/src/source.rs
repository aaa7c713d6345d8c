//! The plugins of an experiment.

use std::{collections::HashMap, path::PathBuf, rc::Rc, sync::Arc};

use brewer::{
    Adaptor, BatchPostprocessor, Callback,
    assemble::PluginSource,
    callback::DataSplit,
    experiment::{Experiment, KeyError, PluginRef, PluginSpec, from_json},
    loss::{KdLoss, MatchLoss},
    model::ModelSpec,
    temperature::TemperatureScheduler,
    weight::WeightScheduler,
};
use schemars::Schema;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{
    Engine, Error, Limits, LogSink, Permission, Plugin, PluginAdaptor, PluginBatchPostprocessor, PluginCallback,
    PluginKdLoss, PluginMatchLoss, PluginOptions, PluginTemperatureScheduler, PluginWeightScheduler,
};

/// Gives the components that an experiment names.
pub trait Components {
    /// The bytes of a component, of which a file may have `limit`. Who asks twice gets the same: what was looked at is
    /// what runs.
    ///
    /// Errors: why it cannot be had, or may not be used.
    fn component(&self, reference: &PluginRef, limit: u64) -> brewer::Result<Arc<[u8]>>;
}

/// Loads the plugins that an experiment names, each once for each way in which it is configured.
pub struct Plugins {
    engine: Engine,
    components: Rc<dyn Components>,
    seed: u64,
    log: LogSink,
    loaded: HashMap<String, Plugin>,
}

impl Plugins {
    /// `seed` is the experiment's; what plugins log goes to `log`.
    pub fn new(engine: Engine, components: Rc<dyn Components>, seed: u64, log: LogSink) -> Self {
        Self { engine, components, seed, log, loaded: HashMap::new() }
    }

    /// The plugin that the experiment describes.
    ///
    /// Errors: [`Error::Load`], [`Error::Spec`], and those of the [`Components`].
    pub fn load(&mut self, spec: &PluginSpec) -> brewer::Result<Plugin> {
        // JSON holds no path that is not UTF-8. Two specs without a key would share one plugin.
        let sha256 = spec.sha256.clone().filter(|_| matches!(spec.reference(), PluginRef::Stored(_)));
        let key = serde_json::to_string(&PluginSpec { sha256, ..spec.clone() });
        let key =
            key.map_err(|error| Error::Spec { path: name(spec), key: "path".to_owned(), problem: error.to_string() })?;
        if let Some(plugin) = self.loaded.get(&key) {
            if let Some(sha256) = &spec.sha256 {
                plugin.check_digest(sha256)?;
            }
            return Ok(plugin.clone());
        }
        let options = PluginOptions {
            sha256: spec.sha256.clone(),
            config: Some(spec.config.clone()).filter(|config| !config.is_null()),
            limits: parse(spec, "limits", Value::Object(spec.limits.clone()))?,
            permissions: parse(spec, "permissions", json!(spec.permissions))?,
            seed: self.seed,
            log: self.log.clone(),
        };
        let bytes = self.components.component(&spec.reference(), options.limits.file_bytes)?;
        let plugin = Plugin::of_bytes(&self.engine, &name(spec), &bytes, options)?;
        self.loaded.insert(key, plugin.clone());
        Ok(plugin)
    }

    /// Writes the digest of each plugin into the experiment, so that a run that goes on with it takes the same files.
    ///
    /// Errors: as those of [`Plugins::load`].
    pub fn pin(&mut self, experiment: &mut Experiment) -> brewer::Result<()> {
        for spec in experiment.plugins_mut() {
            let plugin = self.load(spec)?;
            spec.sha256 = Some(plugin.digest().to_owned());
        }
        Ok(())
    }

    /// What people should know of the permissions of the plugins that were loaded, in sentences.
    pub fn permission_notes(&self) -> Vec<String> {
        let mut notes: Vec<String> = self.loaded.values().flat_map(Plugin::permission_notes).collect();
        notes.sort();
        notes.dedup();
        notes
    }
}

/// What messages call a plugin: its file, or the reference without the digest.
fn name(spec: &PluginSpec) -> PathBuf {
    match spec.reference() {
        PluginRef::File(path) => path,
        PluginRef::Registry(text) => text.split('@').next().unwrap_or_default().into(),
        PluginRef::Stored(text) => text.into(),
    }
}

fn parse<T: DeserializeOwned>(spec: &PluginSpec, key: &'static str, value: Value) -> crate::Result<T> {
    from_json(value).map_err(|KeyError { key: inner, message }| {
        let key = if matches!(inner.as_str(), "" | ".") { key.to_owned() } else { format!("{key}.{inner}") };
        Error::Spec { path: name(spec), key, problem: message }
    })
}

impl PluginSource for Plugins {
    fn digest(&mut self, spec: &PluginSpec) -> brewer::Result<String> {
        Ok(format!("sha256:{}", self.load(spec)?.digest()))
    }

    fn adaptor(&mut self, spec: &PluginSpec) -> brewer::Result<Box<dyn Adaptor>> {
        Ok(Box::new(PluginAdaptor::new(&self.load(spec)?)?))
    }

    fn batch_postprocessor(
        &mut self,
        spec: &PluginSpec,
        readers: Vec<ModelSpec>,
    ) -> brewer::Result<Box<dyn BatchPostprocessor>> {
        Ok(Box::new(PluginBatchPostprocessor::new(&self.load(spec)?, readers)?))
    }

    fn callback(&mut self, spec: &PluginSpec, splits: &[DataSplit]) -> brewer::Result<Box<dyn Callback>> {
        Ok(Box::new(PluginCallback::new(&self.load(spec)?, splits.iter().cloned())?))
    }

    fn kd_loss(&mut self, spec: &PluginSpec) -> brewer::Result<Box<dyn KdLoss>> {
        Ok(Box::new(PluginKdLoss::new(&self.load(spec)?)?))
    }

    fn match_loss(&mut self, spec: &PluginSpec) -> brewer::Result<Box<dyn MatchLoss>> {
        Ok(Box::new(PluginMatchLoss::new(&self.load(spec)?)?))
    }

    fn temperature_scheduler(&mut self, spec: &PluginSpec) -> brewer::Result<Box<dyn TemperatureScheduler>> {
        Ok(Box::new(PluginTemperatureScheduler::new(&self.load(spec)?)?))
    }

    fn weight_scheduler(&mut self, spec: &PluginSpec) -> brewer::Result<Box<dyn WeightScheduler>> {
        Ok(Box::new(PluginWeightScheduler::new(&self.load(spec)?)?))
    }
}

/// The JSON Schema of the experiment file, with the limits and permissions that this host knows.
pub fn experiment_schema() -> Schema {
    let mut schema = schemars::schema_for!(Experiment);
    let limits = schemars::schema_for!(Limits);
    let permissions = schemars::SchemaGenerator::from(
        schemars::generate::SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true),
    )
    .into_root_schema_for::<Vec<Permission>>();
    if let Some(properties) = schema.pointer_mut("/$defs/PluginSpec/properties").and_then(Value::as_object_mut) {
        for (key, schema) in [("limits", limits), ("permissions", permissions)] {
            let mut schema = schema.to_value();
            // They stand inside another schema now.
            schema.as_object_mut().map(|object| object.remove("$schema"));
            properties.insert(key.to_owned(), schema);
        }
    }
    schema
}
