//! The experiment file: what is trained from what, on which data and how.

mod effects;
mod error;
mod overrides;
mod read;
mod textbrewer;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use error::ExperimentError;
pub use overrides::data_from;
pub use read::{KeyError, from_json};

use crate::cache::CacheSpec;
use crate::data::DataConfig;
use crate::loss::DistillationConfig;
use crate::train::optimizer::OptimizerConfig;
use crate::train::{ScheduleConfig, TrainingConfig};

/// A distillation, or a supervised training, from beginning to end. Paths are relative to the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    #[serde(default)]
    pub distiller: DistillerName,
    /// The model that the student learns from; none for the trainer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub teacher: Option<TeacherSpec>,
    /// With `multi_teacher`, the models that the student learns from together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub teachers: Vec<TeacherSpec>,
    /// The model that is trained.
    pub student: StudentSpec,
    #[serde(default)]
    pub data: DataConfig,
    /// With `multi_task`, a teacher and its data for each task, by name, in place of `teacher` and `data`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tasks: BTreeMap<String, TaskSpec>,
    #[serde(default)]
    pub optimizer: OptimizerConfig,
    #[serde(default)]
    pub schedule: ScheduleConfig,
    #[serde(default)]
    pub training: TrainingConfig,
    #[serde(default)]
    pub distillation: DistillationConfig,
    #[serde(default)]
    pub plugins: PluginSpecs,
}

/// How the student is trained.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DistillerName {
    /// One teacher, a KD loss and hard labels.
    Basic,
    /// The same with intermediate matches.
    #[default]
    General,
    /// Several teachers of one task, whose logits are averaged; a KD loss and hard labels.
    MultiTeacher,
    /// Several tasks that train one student, each with a teacher and data of its own; a KD loss, intermediate matches
    /// and hard labels.
    MultiTask,
    /// No teacher: supervised training on the labels.
    Trainer,
}

impl fmt::Display for DistillerName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            DistillerName::Basic => "basic",
            DistillerName::General => "general",
            DistillerName::MultiTeacher => "multi_teacher",
            DistillerName::MultiTask => "multi_task",
            DistillerName::Trainer => "trainer",
        })
    }
}

/// One of several tasks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TaskSpec {
    pub teacher: TeacherSpec,
    pub data: DataConfig,
    /// An adaptor and a batch post-processor in place of the experiment's, for teacher and student in this task.
    #[serde(default)]
    pub plugins: PluginSpecs,
}

/// A trained model that is only run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TeacherSpec {
    /// A folder in Hugging Face layout: `config.json`, `model.safetensors`, `tokenizer.json`.
    pub model: PathBuf,
    /// Extra arguments of the model's forward: an integer fills a column for every token (`{"token_type_ids": 0}`), a
    /// list of integers is the row of every example.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub args: Map<String, Value>,
    /// An adaptor of its own, in place of the one in `plugins`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adaptor: Option<PluginSpec>,
    /// Keeps on disk what the model returns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheSpec>,
}

/// The model that is trained: exactly one of `model`, `config` and `init`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StudentSpec {
    /// A folder in Hugging Face layout to start from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<PathBuf>,
    /// A `config.json`; the weights are random. What it lacks of model type, architecture and labels is the first
    /// teacher's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<PathBuf>,
    /// Layers of another model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init: Option<InitSpec>,
    /// The class of the model where it is not the one in its `config.json`, such as `BertForSequenceClassification` on a
    /// body without a head. The new head's weights are random.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// The names of the classes, by index, for a new head or for one whose classes have no names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<Vec<String>>,
    /// A safetensors file with the first weights of the projections, in place of random ones: a checkpoint's
    /// `projections.safetensors`, or TextBrewer's projections by the index of their match (`0.weight`, `1.0.bias`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub projections: Option<PathBuf>,
    /// Extra arguments of the model's forward: an integer fills a column for every token (`{"token_type_ids": 0}`), a
    /// list of integers is the row of every example.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub args: Map<String, Value>,
    /// An adaptor of its own, in place of the one in `plugins`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adaptor: Option<PluginSpec>,
}

/// A smaller model out of a larger one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InitSpec {
    /// `teacher`, or a folder in Hugging Face layout.
    pub from: PathBuf,
    /// The encoder layers that become the student's, in this order; embeddings and head are copied too.
    pub layers: Vec<usize>,
}

impl InitSpec {
    pub fn is_from_teacher(&self) -> bool {
        self.from == Path::new("teacher")
    }
}

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
    /// All of them.
    fn all_mut(&mut self) -> impl Iterator<Item = &mut PluginSpec> {
        let named = self.losses.values_mut().chain(self.schedulers.values_mut());
        self.adaptor.iter_mut().chain(&mut self.batch_postprocessor).chain(&mut self.callbacks).chain(named)
    }
}

/// A plugin, and what it is given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PluginSpec {
    /// A WebAssembly component.
    pub path: PathBuf,
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
    pub fn new(path: PathBuf) -> Self {
        Self { path, config: Value::Null, limits: Map::new(), permissions: vec![] }
    }
}

impl Experiment {
    /// The experiment as it was run, with every default, as JSON.
    pub fn to_json(&self) -> String {
        // The experiment was deserialized from JSON, so all of its keys are strings and its numbers finite.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// The teachers in order, whichever key names them.
    pub fn teachers(&self) -> impl Iterator<Item = &TeacherSpec> {
        self.teacher.iter().chain(&self.teachers).chain(self.tasks.values().map(|task| &task.teacher))
    }

    /// Every path of the experiment, to be resolved against the folder of its file.
    fn paths_mut(&mut self) -> Vec<&mut PathBuf> {
        let mut paths = vec![&mut self.training.output_dir];
        let mut plugins: Vec<&mut PluginSpec> = vec![];
        let mut data = vec![&mut self.data];
        let mut teachers: Vec<&mut TeacherSpec> = self.teacher.iter_mut().chain(&mut self.teachers).collect();
        for task in self.tasks.values_mut() {
            data.push(&mut task.data);
            teachers.push(&mut task.teacher);
            plugins.extend(task.plugins.all_mut());
        }
        paths.extend(data.into_iter().flat_map(|data| data.train.iter_mut().chain(&mut data.dev)));
        for teacher in teachers {
            paths.push(&mut teacher.model);
            plugins.extend(&mut teacher.adaptor);
            paths.extend(teacher.cache.iter_mut().map(|cache| &mut cache.path));
        }
        paths.extend(&mut self.student.model);
        paths.extend(&mut self.student.config);
        paths.extend(&mut self.student.projections);
        paths.extend(self.student.init.as_mut().filter(|init| !init.is_from_teacher()).map(|init| &mut init.from));
        plugins.extend(&mut self.student.adaptor);
        plugins.extend(self.plugins.all_mut());
        paths.extend(plugins.into_iter().map(|plugin| &mut plugin.path));
        paths
    }
}
