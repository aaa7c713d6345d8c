//! The plugins of an experiment, and whether each has a place in its run.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{DistillerName, Experiment, ExperimentError};
use crate::Result;
use crate::loss::PLUGIN_PREFIX;
use crate::loss::matching::MatchLossConfig;

/// The plugins of a run, by role.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PluginSpecs {
    /// For teacher and student alike.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adaptor: Option<PluginSpec>,
    /// Changes each batch before the models see it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_postprocessor: Option<PluginSpec>,
    /// Called at each checkpoint, in this order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub callbacks: Vec<PluginSpec>,
    /// KD losses and match losses by the name that `distillation` calls them: `plugin:NAME`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub losses: BTreeMap<String, PluginSpec>,
    /// Temperature and weight schedulers by the name that `distillation` calls them: `plugin:NAME`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub schedulers: BTreeMap<String, PluginSpec>,
    /// How many batches on which a plugin fails are left out before the run fails. By default the first failure ends
    /// the run.
    #[serde(skip_serializing_if = "is_zero")]
    pub skip_batches: usize,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl PluginSpecs {
    fn all_mut(&mut self) -> impl Iterator<Item = &mut PluginSpec> {
        let named = self.losses.values_mut().chain(self.schedulers.values_mut());
        self.adaptor.iter_mut().chain(&mut self.batch_postprocessor).chain(&mut self.callbacks).chain(named)
    }

    /// All of them with their keys below `key`.
    fn all(&self, key: &str) -> Vec<(String, &PluginSpec)> {
        let single = [("adaptor", &self.adaptor), ("batch_postprocessor", &self.batch_postprocessor)];
        let single = single.into_iter().filter_map(|(role, spec)| Some((role.to_owned(), spec.as_ref()?)));
        let callbacks = self.callbacks.iter().enumerate().map(|(index, spec)| (format!("callbacks.{index}"), spec));
        let losses = self.losses.iter().map(|(name, spec)| (format!("losses.{name}"), spec));
        let schedulers = self.schedulers.iter().map(|(name, spec)| (format!("schedulers.{name}"), spec));
        let all = single.chain(callbacks).chain(losses).chain(schedulers);
        all.map(|(place, spec)| (format!("{key}.{place}"), spec)).collect()
    }
}

/// Where a plugin comes from. This crate names it and compares it; it never opens what it leads to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PluginRef {
    /// A file.
    File(PathBuf),
    /// What a registry holds: `oci://HOST/REPOSITORY:TAG`, or one plugin of a bundle there: `oci://HOST/REPOSITORY:TAG#NAME`.
    Registry(String),
    /// What was brought to this machine before, by the digest of the component: `sha256:HEX`.
    Stored(String),
}

impl PluginRef {
    /// What a text means where a file is usual: a reference, a digest, or else a path.
    pub fn parse(text: &str) -> Self {
        match text {
            _ if text.contains("://") => Self::Registry(text.to_owned()),
            _ if text.starts_with("sha256:") => Self::Stored(text.to_owned()),
            _ => Self::File(text.into()),
        }
    }

    /// What the plugin is called where it has no other name: the file's name without its ending, its name in a bundle,
    /// or the last part of the repository.
    pub fn stem(&self) -> String {
        match self {
            Self::File(path) => path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            Self::Registry(reference) => match reference.rsplit_once('#') {
                Some((_, name)) => name.to_owned(),
                None => {
                    let last = reference.rsplit('/').next().unwrap_or_default();
                    last.split([':', '@']).next().unwrap_or_default().to_owned()
                }
            },
            Self::Stored(digest) => digest.clone(),
        }
    }
}

impl fmt::Display for PluginRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(formatter, "{}", path.display()),
            Self::Registry(text) | Self::Stored(text) => formatter.write_str(text),
        }
    }
}

/// A plugin, and what it is given. It comes from `path` or from `oci`, or with neither from what is stored under
/// `sha256`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PluginSpec {
    /// A WebAssembly component in a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// A plugin in a registry: `oci://HOST/REPOSITORY:TAG`, or `oci://HOST/REPOSITORY:TAG#NAME` for one of a bundle.
    /// `brewer.lock` beside the experiment keeps what it named first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oci: Option<String>,
    /// The SHA-256 of the component, 64 hexadecimal digits: another one is refused. `experiment.resolved.json` of a run
    /// has that of each plugin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// What the plugin reads as its configuration.
    #[serde(default)]
    pub config: Value,
    /// Limits that differ from the defaults.
    #[serde(default)]
    pub limits: Map<String, Value>,
    /// What the plugin is allowed beyond computing with handles.
    #[serde(default)]
    pub permissions: Vec<String>,
}

impl PluginSpec {
    /// A plugin without configuration, at the default limits.
    pub fn new(reference: PluginRef) -> Self {
        let mut spec = Self::default();
        spec.set_reference(reference);
        spec
    }

    /// Where it comes from. An experiment that was checked names exactly one place.
    pub fn reference(&self) -> PluginRef {
        match (&self.path, &self.oci, &self.sha256) {
            (Some(path), ..) => PluginRef::File(path.clone()),
            (None, Some(oci), _) => PluginRef::Registry(oci.clone()),
            (None, None, sha256) => PluginRef::Stored(format!("sha256:{}", sha256.as_deref().unwrap_or_default())),
        }
    }

    /// Has it come from elsewhere; the digest of what it was before is forgotten.
    pub fn set_reference(&mut self, reference: PluginRef) {
        (self.path, self.oci, self.sha256) = match reference {
            PluginRef::File(path) => (Some(path), None, None),
            PluginRef::Registry(oci) => (None, Some(oci), None),
            PluginRef::Stored(digest) => {
                (None, None, Some(digest.strip_prefix("sha256:").unwrap_or(&digest).to_owned()))
            }
        };
    }
}

impl Experiment {
    /// Every plugin that the experiment names.
    pub fn plugins_mut(&mut self) -> impl Iterator<Item = &mut PluginSpec> {
        let teachers = self.teacher.iter_mut().chain(&mut self.teachers).filter_map(|teacher| teacher.adaptor.as_mut());
        let tasks = self.tasks.values_mut();
        let tasks = tasks.flat_map(|task| task.teacher.adaptor.iter_mut().chain(task.plugins.all_mut()));
        teachers.chain(tasks).chain(&mut self.student.adaptor).chain(self.plugins.all_mut())
    }

    /// Every plugin by its key.
    fn plugins(&self) -> Vec<(String, &PluginSpec)> {
        let mut plugins = self.plugins.all("plugins");
        let several = self.teachers.iter().enumerate().map(|(index, teacher)| (format!("teachers.{index}"), teacher));
        let of_tasks = self.tasks.iter().map(|(name, task)| (format!("tasks.{name}.teacher"), &task.teacher));
        let teachers =
            self.teacher.iter().map(|teacher| ("teacher".to_owned(), teacher)).chain(several).chain(of_tasks);
        plugins
            .extend(teachers.filter_map(|(key, teacher)| Some((format!("{key}.adaptor"), teacher.adaptor.as_ref()?))));
        plugins.extend(self.student.adaptor.as_ref().map(|spec| ("student.adaptor".to_owned(), spec)));
        plugins.extend(self.tasks.iter().flat_map(|(name, task)| task.plugins.all(&format!("tasks.{name}.plugins"))));
        plugins
    }

    /// Whether each plugin is used, comes from one place, and has a digest that can be one. Reading an experiment checks
    /// it; who changes its plugins afterwards checks it again.
    ///
    /// # Errors
    /// [`ExperimentError::Plugin`] with the key of a plugin that nothing would use.
    pub fn check_plugins(&self) -> Result<()> {
        for (key, spec) in self.plugins() {
            let problem = match (&spec.path, &spec.oci, &spec.sha256) {
                (Some(_), Some(_), _) => Some("it has both `path` and `oci`; name one of them"),
                (None, None, None) => Some("it has neither `path` nor `oci`; name a file, or what a registry holds"),
                (None, Some(oci), _) if !oci.starts_with("oci://") => {
                    Some("its `oci` is no reference; it is written oci://HOST/REPOSITORY:TAG")
                }
                _ => None,
            };
            if let Some(message) = problem {
                return Err(ExperimentError::Plugin { key, message: message.to_owned() }.into());
            }
            let Some(sha256) = &spec.sha256 else { continue };
            if sha256.len() != 64 || !sha256.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                let message = format!(
                    "{sha256:?} is no SHA-256; expected 64 hexadecimal digits, as `brewer-host plugin inspect` prints them"
                );
                return Err(ExperimentError::Plugin { key: format!("{key}.sha256"), message }.into());
            }
        }
        match self.unused_plugin() {
            Some((key, why)) => {
                let message = format!("would not be used: {why}, or remove it");
                Err(ExperimentError::Plugin { key, message }.into())
            }
            None => Ok(()),
        }
    }

    /// A plugin that has no place in the run: its key, and what to do.
    fn unused_plugin(&self) -> Option<(String, String)> {
        for (name, task) in &self.tasks {
            let key = |part: &str| format!("tasks.{name}.plugins.{part}");
            let elsewhere =
                |part: &str| (key(part), format!("a task has no {part} of its own; move it to `plugins.{part}`"));
            let plugins = &task.plugins;
            let parts = [
                ("callbacks", plugins.callbacks.is_empty()),
                ("losses", plugins.losses.is_empty()),
                ("schedulers", plugins.schedulers.is_empty()),
            ];
            if let Some((part, _)) = parts.iter().find(|(_, is_empty)| !is_empty) {
                return Some(elsewhere(part));
            }
        }
        let tasks_have = |part: fn(&PluginSpecs) -> bool| {
            !self.tasks.is_empty() && self.tasks.values().all(|task| part(&task.plugins))
        };
        let own_adaptor = self.student.adaptor.is_some();
        let is_overridden = match self.tasks.is_empty() {
            true => own_adaptor && self.teachers().all(|teacher| teacher.adaptor.is_some()),
            false => self
                .tasks
                .values()
                .all(|task| task.plugins.adaptor.is_some() || own_adaptor && task.teacher.adaptor.is_some()),
        };
        let remove_others = |key: &str, whose: &str, what: &str| {
            (key.to_owned(), format!("every {whose} has {what} of its own; remove one of those"))
        };
        if self.plugins.adaptor.is_some() && is_overridden {
            return Some(remove_others("plugins.adaptor", "model", "an adaptor"));
        }
        if own_adaptor && tasks_have(|plugins| plugins.adaptor.is_some()) {
            return Some(remove_others("student.adaptor", "task", "an adaptor"));
        }
        if self.plugins.batch_postprocessor.is_some() && tasks_have(|plugins| plugins.batch_postprocessor.is_some()) {
            return Some(remove_others("plugins.batch_postprocessor", "task", "a batch post-processor"));
        }
        let (losses, schedulers) = self.named_plugins();
        // A name that leads to no plugin is probably a misspelt one: it is reported where it is looked up.
        let unnamed = |names: &BTreeSet<&str>, specs: &BTreeMap<String, PluginSpec>| {
            let is_misspelt = names.iter().any(|name| !specs.contains_key(*name));
            specs.keys().find(|name| !is_misspelt && !names.contains(name.as_str())).cloned()
        };
        if let Some(name) = unnamed(&losses, &self.plugins.losses) {
            let what = match self.distiller {
                DistillerName::Trainer => "`\"distiller\": \"trainer\"` has no KD loss and no matches".to_owned(),
                _ => format!(
                    "nothing names it; write \"{PLUGIN_PREFIX}{name}\" as `distillation.kd_loss_type`, or as the `loss` \
                     of a match"
                ),
            };
            return Some((format!("plugins.losses.{name}"), what));
        }
        let name = unnamed(&schedulers, &self.plugins.schedulers)?;
        let what = match self.distiller {
            DistillerName::Trainer => "`\"distiller\": \"trainer\"` has no temperature and no weights".to_owned(),
            _ => format!(
                "nothing names it; write \"{PLUGIN_PREFIX}{name}\" as `temperature_scheduler`, \
                 `kd_loss_weight_scheduler` or `hard_label_weight_scheduler` of `distillation`"
            ),
        };
        Some((format!("plugins.schedulers.{name}"), what))
    }

    /// The names of losses and of schedulers that `distillation` calls plugins by.
    fn named_plugins(&self) -> (BTreeSet<&str>, BTreeSet<&str>) {
        if self.distiller == DistillerName::Trainer {
            return Default::default();
        }
        let distillation = &self.distillation;
        let matches = distillation.intermediate_matches.iter().map(|spec| &spec.loss);
        let custom = distillation.custom_matches.iter().map(|spec| &spec.loss);
        let losses =
            matches.chain(custom).filter_map(MatchLossConfig::plugin).chain(distillation.kd_loss_type.plugin());
        let schedulers = [
            distillation.temperature_scheduler.plugin(),
            distillation.kd_loss_weight_scheduler.plugin(),
            distillation.hard_label_weight_scheduler.plugin(),
        ];
        (losses.collect(), schedulers.into_iter().flatten().collect())
    }
}
