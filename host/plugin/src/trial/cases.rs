//! The file that says what to run a plugin on.

use std::collections::BTreeMap;

use brewer::{Side, callback::Scalars};
use indexmap::IndexMap;
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::Value;

use crate::{Limits, Permission, PluginRole};

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cases {
    /// As in the experiment.
    #[serde(default)]
    pub config: Value,
    /// What is granted, as in the experiment.
    #[serde(default)]
    pub permissions: Vec<Permission>,
    /// As in the experiment.
    #[serde(default)]
    pub limits: Limits,
    /// Of the plugin's random numbers and of the tensors that are made up.
    #[serde(default)]
    pub seed: u64,
    /// In the order in which they are run.
    pub cases: Vec<Case>,
}

/// One call, and what is to come of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What the report calls it.
    pub name: String,
    /// The role that is called.
    pub role: PluginRole,
    /// Whose outputs an adaptor, or whose batch a post-processor gets.
    #[serde(default = "student", deserialize_with = "side")]
    pub model: Side,
    /// The forward step that `host.step` tells.
    #[serde(default)]
    pub step: u64,
    /// The batch that an adaptor or a post-processor gets.
    #[serde(default)]
    pub batch: BatchSpec,
    /// What an adaptor gets, and what the student of a callback returns: a tensor, or a list of them.
    #[serde(default)]
    pub outputs: IndexMap<String, OutputSpec>,
    /// Of losses and temperature schedulers: logits for a KD loss or a scheduler, layers for a match loss.
    #[serde(default)]
    pub student: Vec<TensorSpec>,
    /// As `student`, of the teacher.
    #[serde(default)]
    pub teacher: Vec<TensorSpec>,
    /// Of a match loss: `[batch, length]`, 1 where a position counts.
    pub mask: Option<TensorSpec>,
    /// Of a KD loss: the labels of the rows.
    pub labels: Option<TensorSpec>,
    /// Of a KD loss: what logits are softened with. Of a temperature scheduler: the base.
    #[serde(default = "default_temperature")]
    pub temperature: f64,
    /// Of a weight scheduler.
    #[serde(default)]
    pub progress: f64,
    /// Of a callback: what was reported before it, at each checkpoint of the case. What comes back of the last counts,
    /// and `step` is that of the first.
    #[serde(default)]
    pub metrics: Vec<Scalars>,
    /// Of a callback: the data, a list of batches by name.
    #[serde(default)]
    pub splits: IndexMap<String, Vec<BatchSpec>>,
    /// Of a callback: the student's parameters.
    #[serde(default)]
    pub parameters: IndexMap<String, TensorSpec>,
    /// What comes back under each key: `"float32 [2, 3]"`, or a number; of a callback `action` (`"continue"`, `"stop"`)
    /// and what it reports.
    #[serde(default)]
    pub expect: BTreeMap<String, Value>,
    /// Of a loss: its gradient with respect to each of the student's tensors, in row-major order; `null` for one that it
    /// does not depend on. Without it every gradient must be there, and finite.
    pub gradient: Option<Vec<Option<Vec<f64>>>>,
    /// A part of the message, where the call is to fail.
    pub error: Option<String>,
}

/// Tensors by name.
pub type BatchSpec = IndexMap<String, TensorSpec>;

fn default_temperature() -> f64 {
    1.0
}

fn student() -> Side {
    Side::Student
}

/// `teacher` or `student`.
fn side<'de, D: Deserializer<'de>>(source: D) -> Result<Side, D::Error> {
    match String::deserialize(source)?.as_str() {
        "teacher" => Ok(Side::Teacher(0)),
        "student" => Ok(Side::Student),
        other => Err(D::Error::unknown_variant(other, &["teacher", "student"])),
    }
}

/// A tensor to be made up.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TensorSpec {
    pub shape: Vec<i64>,
    /// `float32` (of a normal distribution), `int64` (0 and up to `below`, excluded) or `bool`.
    #[serde(default)]
    pub kind: SpecKind,
    /// One more than the largest integer.
    #[serde(default = "default_below")]
    pub below: i64,
    /// In row-major order, in place of random ones.
    pub values: Option<Vec<f64>>,
}

fn default_below() -> i64 {
    2
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpecKind {
    #[default]
    Float32,
    Int64,
    Bool,
}

/// An output of a model.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected a tensor or a list of tensors")]
pub enum OutputSpec {
    Tensor(TensorSpec),
    List(Vec<TensorSpec>),
}
