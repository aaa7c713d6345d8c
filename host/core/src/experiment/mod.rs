//! The experiment file: what is trained from what, on which data and how.

mod effects;
mod error;
mod evaluation;
mod overrides;
mod paths;
mod plugins;
mod read;
mod textbrewer;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use error::ExperimentError;
pub use evaluation::split_name;
pub use overrides::data_from;
pub use paths::PathKind;
pub use plugins::{PluginRef, PluginSpec, PluginSpecs};
pub use read::{KeyError, check_path, from_json};

use crate::cache::CacheSpec;
use crate::data::DataConfig;
use crate::loss::DistillationConfig;
use crate::train::optimizer::OptimizerConfig;
use crate::train::{EvaluationConfig, ScheduleConfig, TrainingConfig};

/// A distillation, or a supervised training, from beginning to end. Paths are relative to the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// How the student is trained.
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
    /// The examples, and how they become batches.
    #[serde(default)]
    pub data: DataConfig,
    /// With `multi_task`, a teacher and its data for each task, by name, in place of `teacher` and `data`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tasks: BTreeMap<String, TaskSpec>,
    /// How parameters are changed.
    #[serde(default)]
    pub optimizer: OptimizerConfig,
    /// How the learning rate changes in the course of the run.
    #[serde(default)]
    pub schedule: ScheduleConfig,
    /// How long the run lasts, when it saves, and where to.
    #[serde(default)]
    pub training: TrainingConfig,
    /// When the student is evaluated, and which checkpoint is the best.
    #[serde(default)]
    pub evaluation: EvaluationConfig,
    /// What the loss is made of.
    #[serde(default)]
    pub distillation: DistillationConfig,
    /// What components do in the run.
    #[serde(default)]
    pub plugins: PluginSpecs,
    /// A trust policy for the plugins, beside that of whoever runs it: it can ask for more signatures, and not for fewer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust: Option<PathBuf>,
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
    /// The model that the student learns this task from.
    pub teacher: TeacherSpec,
    /// The examples of this task.
    pub data: DataConfig,
    /// An adaptor and a batch post-processor in place of the experiment's, for teacher and student in this task.
    #[serde(default)]
    pub plugins: PluginSpecs,
}

/// A trained model that is only run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TeacherSpec {
    /// A folder in Hugging Face layout: `config.json`, weights such as `model.safetensors`, a tokenizer such as
    /// `tokenizer.json`.
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
    /// The device of its own that it computes on, in place of `training.device`: `auto`, `cpu`, `cuda` or `cuda:N`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
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
    /// With `multi_task`, whether all tasks share the model's head, whose classes their teachers must name then, or each
    /// has one of its own.
    pub heads: HeadsSpec,
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

/// The heads of a student of several tasks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HeadsSpec {
    /// One for all tasks.
    #[default]
    Shared,
    /// One for each task, for the classes of its teacher, on one body. It is the model's own where that has just these
    /// classes by name, and else new. The student is saved as a folder for each task, and `model` may name such a student.
    ByTask,
}

/// A smaller model out of a larger one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InitSpec {
    /// `teacher`, or a folder in Hugging Face layout.
    pub from: PathBuf,
    /// The encoder layers that become the student's, in this order; embeddings and head are copied too.
    pub layers: LayerChoice,
}

/// Layers of a model: their indices from 0 on, or a rule and how many it takes (`["uniform", 6]`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "expected a list of layers, whole numbers, or [rule, number] with `first`, `last`, `uniform` or `skip`"
)]
pub enum LayerChoice {
    /// As many as a rule takes.
    Rule(LayerRule, usize),
    /// These, in this order.
    Indices(Vec<usize>),
}

/// Which layers of a model are taken. Of 12, 6 are:
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LayerRule {
    /// 0, 1, 2, 3, 4, 5.
    First,
    /// 6, 7, 8, 9, 10, 11.
    Last,
    /// 0, 2, 4, 7, 9, 11: evenly from the first to the last.
    Uniform,
    /// 0, 2, 4, 6, 8, 10: the first of each group of as many.
    Skip,
}

impl LayerChoice {
    /// The indices of the layers among `num_layers`; `None` if a rule is to take more than there are.
    pub fn indices(&self, num_layers: usize) -> Option<Vec<usize>> {
        let (rule, count) = match self {
            LayerChoice::Indices(indices) => return Some(indices.clone()),
            LayerChoice::Rule(rule, count) => (*rule, *count),
        };
        let before = num_layers.checked_sub(count)?;
        let index = |layer: usize| match rule {
            LayerRule::First => layer,
            LayerRule::Last => before + layer,
            LayerRule::Skip => layer * num_layers / count,
            LayerRule::Uniform if count == 1 => 0,
            // Rounded to the nearest.
            LayerRule::Uniform => (2 * layer * (num_layers - 1) + count - 1) / (2 * (count - 1)),
        };
        Some((0..count).map(index).collect())
    }
}

impl fmt::Display for LayerChoice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LayerChoice::Indices(indices) => {
                let indices: Vec<String> = indices.iter().map(usize::to_string).collect();
                write!(formatter, "layers {}", indices.join(", "))
            }
            LayerChoice::Rule(rule, count) => {
                let rule = match rule {
                    LayerRule::First => "first",
                    LayerRule::Last => "last",
                    LayerRule::Uniform => "uniform",
                    LayerRule::Skip => "skip",
                };
                write!(formatter, "{count} layers ({rule})")
            }
        }
    }
}

impl InitSpec {
    /// Whether the layers are those of the first teacher.
    pub fn is_from_teacher(&self) -> bool {
        self.from == Path::new("teacher")
    }
}

impl Experiment {
    /// The experiment as it was run, with every default, as JSON.
    pub fn to_json(&self) -> String {
        // All of its keys are strings, its paths were checked to be text, and numbers that are not finite become null.
        serde_json::to_string_pretty(self).expect("an experiment has a form in JSON")
    }

    /// Has the run written to `folder`.
    pub fn set_output_dir(&mut self, folder: PathBuf) -> Result<(), ExperimentError> {
        check_path(&folder)?;
        self.training.output_dir = folder;
        Ok(())
    }

    /// The teachers in order, whichever key names them.
    pub fn teachers(&self) -> impl Iterator<Item = &TeacherSpec> {
        self.teacher.iter().chain(&self.teachers).chain(self.tasks.values().map(|task| &task.teacher))
    }

    /// The same, to be changed.
    pub(crate) fn teachers_mut(&mut self) -> impl Iterator<Item = &mut TeacherSpec> {
        let of_tasks = self.tasks.values_mut().map(|task| &mut task.teacher);
        self.teacher.iter_mut().chain(&mut self.teachers).chain(of_tasks)
    }

    /// The keys of the teachers in the same order: `teacher`, `teachers.0`, `tasks.reviews.teacher`.
    pub(crate) fn teacher_keys(&self) -> Vec<String> {
        let one = self.teacher.iter().map(|_| "teacher".to_owned());
        let several = (0..self.teachers.len()).map(|index| format!("teachers.{index}"));
        let of_tasks = self.tasks.keys().map(|task| format!("tasks.{task}.teacher"));
        one.chain(several).chain(of_tasks).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rules_choose_layers() {
        let choice = |json: Value| serde_json::from_value::<LayerChoice>(json).unwrap();
        for (json, of, expected) in [
            (json!([3, 0]), 12, Some(vec![3, 0])),
            (json!(["first", 6]), 12, Some(vec![0, 1, 2, 3, 4, 5])),
            (json!(["last", 6]), 12, Some(vec![6, 7, 8, 9, 10, 11])),
            (json!(["uniform", 6]), 12, Some(vec![0, 2, 4, 7, 9, 11])),
            (json!(["skip", 6]), 12, Some(vec![0, 2, 4, 6, 8, 10])),
            (json!(["skip", 4]), 6, Some(vec![0, 1, 3, 4])),
            (json!(["uniform", 1]), 6, Some(vec![0])),
            (json!(["uniform", 6]), 6, Some(vec![0, 1, 2, 3, 4, 5])),
            (json!(["last", 7]), 6, None),
        ] {
            assert_eq!(choice(json.clone()).indices(of), expected, "{json} of {of}");
        }
        for json in [json!(["middle", 3]), json!("uniform"), json!([0, -1])] {
            let error = serde_json::from_value::<LayerChoice>(json).unwrap_err().to_string();
            assert!(error.contains("`first`, `last`, `uniform` or `skip`"), "{error}");
        }
    }
}
