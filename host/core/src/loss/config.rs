use std::num::NonZeroUsize;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::kd::KdLossConfig;
use super::matching::MatchLossConfig;
use crate::Feature;
use crate::schedule::temperature::TemperatureSchedulerConfig;
use crate::schedule::weight::WeightSchedulerConfig;

/// TextBrewer's `DistillationConfig`: what the total loss is made of,
/// `kd_loss · kd_loss_weight + hard_label_loss · hard_label_weight + Σ match · weight`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DistillationConfig {
    /// The logits of teacher and student are divided by it.
    pub temperature: f64,
    /// Changes the temperature by example.
    pub temperature_scheduler: TemperatureSchedulerConfig,
    /// The weight of the sum of the adaptor's `losses`.
    pub hard_label_weight: f64,
    /// Replaces `hard_label_weight` after the first optimizer step.
    pub hard_label_weight_scheduler: WeightSchedulerConfig,
    /// The distance between the logits of teacher and student: `"bce"` or `"mse"` where a model may find several classes in
    /// an example, `"mse"` where it predicts numbers.
    pub kd_loss_type: KdLossConfig,
    /// The weight of the KD loss.
    pub kd_loss_weight: f64,
    /// Replaces `kd_loss_weight` after the first optimizer step.
    pub kd_loss_weight_scheduler: WeightSchedulerConfig,
    /// What the KD loss is multiplied by. TextBrewer's loss has no factor; the paper's has the squared temperature.
    pub kd_loss_scale: KdLossScale,
    /// How many rows of logits (examples, or positions of examples) the KD loss is computed for at a time; by default all.
    /// The loss and its gradient are the same. Chunks need less memory where there are many classes, such as a vocabulary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kd_chunk_rows: Option<NonZeroUsize>,
    /// Keeps what the teachers return in memory, so that each is run once on every example. `cache` of a teacher keeps it
    /// on disk.
    pub is_caching_logits: bool,
    /// Swaps the teacher's largest logit with the label's, so that the teacher is never wrong.
    pub probability_shift: bool,
    /// Matches between layers, by their position in the lists that the adaptor returned.
    pub intermediate_matches: Vec<IntermediateMatch>,
    /// Matches between the outputs of any two modules, by name.
    pub custom_matches: Vec<CustomMatch>,
}

impl Default for DistillationConfig {
    fn default() -> Self {
        Self {
            temperature: 4.0,
            temperature_scheduler: TemperatureSchedulerConfig::None,
            hard_label_weight: 0.0,
            hard_label_weight_scheduler: WeightSchedulerConfig::None,
            kd_loss_type: KdLossConfig::Ce,
            kd_loss_weight: 1.0,
            kd_loss_weight_scheduler: WeightSchedulerConfig::None,
            kd_loss_scale: KdLossScale::None,
            kd_chunk_rows: None,
            is_caching_logits: false,
            probability_shift: false,
            intermediate_matches: vec![],
            custom_matches: vec![],
        }
    }
}

impl DistillationConfig {
    /// The first key whose value is not that of `other`.
    pub(crate) fn first_change(&self, other: &Self) -> Option<&'static str> {
        let changes = [
            ("temperature", self.temperature != other.temperature),
            ("temperature_scheduler", self.temperature_scheduler != other.temperature_scheduler),
            ("hard_label_weight", self.hard_label_weight != other.hard_label_weight),
            ("hard_label_weight_scheduler", self.hard_label_weight_scheduler != other.hard_label_weight_scheduler),
            ("kd_loss_type", self.kd_loss_type != other.kd_loss_type),
            ("kd_loss_weight", self.kd_loss_weight != other.kd_loss_weight),
            ("kd_loss_weight_scheduler", self.kd_loss_weight_scheduler != other.kd_loss_weight_scheduler),
            ("kd_loss_scale", self.kd_loss_scale != other.kd_loss_scale),
            ("kd_chunk_rows", self.kd_chunk_rows != other.kd_chunk_rows),
            ("is_caching_logits", self.is_caching_logits != other.is_caching_logits),
            ("probability_shift", self.probability_shift != other.probability_shift),
            ("intermediate_matches", self.intermediate_matches != other.intermediate_matches),
            ("custom_matches", self.custom_matches != other.custom_matches),
        ];
        changes.into_iter().find(|(_, is_other)| *is_other).map(|(key, _)| key)
    }

    /// The first key of the KD loss that is not at its default; none where the loss has the weight 0 on purpose.
    pub(super) fn kd_key(&self) -> Option<&'static str> {
        if self.kd_loss_weight == 0.0 && self.kd_loss_weight_scheduler == WeightSchedulerConfig::None {
            return None;
        }
        let without_the_rest = Self {
            hard_label_weight: 0.0,
            hard_label_weight_scheduler: WeightSchedulerConfig::None,
            is_caching_logits: false,
            intermediate_matches: vec![],
            custom_matches: vec![],
            ..self.clone()
        };
        without_the_rest.first_change(&Self::default())
    }
}

/// A factor of the KD loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KdLossScale {
    /// It is not multiplied.
    None,
    /// τ², which keeps the size of the gradient as the temperature changes (Hinton et al., arXiv:1503.02531).
    TemperatureSquared,
}

/// One pair of intermediate features, and the loss between them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IntermediateMatch {
    /// The position in the teacher's list that the adaptor returned; two for losses between two layers. In
    /// `hidden_states` 0 is the embeddings, and layer n is n. In `attentions` layer n is n − 1: `layer_T: 11` is the last
    /// of 12. TextBrewer's presets for attention (`L3_attention_mse` and the like) count from 1, so subtract 1 from
    /// their layers. Negative positions count from the end.
    #[serde(rename = "layer_T")]
    pub layer_t: LayerIndex,
    /// The position in the student's list.
    #[serde(rename = "layer_S")]
    pub layer_s: LayerIndex,
    /// Which list the layers stand in.
    pub feature: Feature,
    /// The distance between the features.
    pub loss: MatchLossConfig,
    /// The weight of the loss in the sum.
    pub weight: f64,
    /// Maps the student's features to the teacher's size: `["linear" | "relu" | "tanh", dim_S, dim_T]`, and as a
    /// fourth element optimizer options of its own, such as `{"lr": 1e-3}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proj: Option<ProjectionSpec>,
}

/// A pair of modules, and the loss between what they return: TextBrewer's `CustomMatch`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CustomMatch {
    /// A module of the teacher by the name that its parameters have in the checkpoint, such as
    /// `bert.encoder.layer.5.attention.self.query`; a list for losses of several layers.
    #[serde(rename = "module_T")]
    pub module_t: ModuleNames,
    /// A module of the student.
    #[serde(rename = "module_S")]
    pub module_s: ModuleNames,
    /// As in an intermediate match.
    pub loss: MatchLossConfig,
    /// The weight of the loss in the sum.
    pub weight: f64,
    /// As in an intermediate match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proj: Option<ProjectionSpec>,
}

/// One module or several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected the name of a module or a list of names")]
pub enum ModuleNames {
    /// One module.
    One(String),
    /// Several, in the order in which the loss takes them.
    Several(Vec<String>),
}

impl ModuleNames {
    /// One or several as a list.
    pub fn as_slice(&self) -> &[String] {
        match self {
            ModuleNames::One(name) => std::slice::from_ref(name),
            ModuleNames::Several(names) => names,
        }
    }
}

/// One layer or several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a layer or a list of layers, whole numbers")]
pub enum LayerIndex {
    /// One layer.
    One(i64),
    /// Several, in the order in which the loss takes them.
    Several(Vec<i64>),
}

impl LayerIndex {
    /// One or several as a list.
    pub fn as_slice(&self) -> &[i64] {
        match self {
            LayerIndex::One(layer) => std::slice::from_ref(layer),
            LayerIndex::Several(layers) => layers,
        }
    }

    /// As it stands in the name of a scalar: `3`, or `3-5`.
    pub fn label(&self) -> String {
        self.as_slice().iter().map(i64::to_string).collect::<Vec<_>>().join("-")
    }
}

/// `[kind, dim_S, dim_T]` or `[kind, dim_S, dim_T, options]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected [kind, dim_S, dim_T] or [kind, dim_S, dim_T, options]")]
pub enum ProjectionSpec {
    Plain(String, i64, i64),
    WithOptions(String, i64, i64, Map<String, Value>),
}

impl ProjectionSpec {
    pub fn kind(&self) -> &str {
        match self {
            ProjectionSpec::Plain(kind, ..) | ProjectionSpec::WithOptions(kind, ..) => kind,
        }
    }

    /// The sizes of the student's and of the teacher's features.
    pub fn sizes(&self) -> (i64, i64) {
        match self {
            ProjectionSpec::Plain(_, student, teacher) | ProjectionSpec::WithOptions(_, student, teacher, _) => {
                (*student, *teacher)
            }
        }
    }

    /// The optimizer options of its own.
    pub fn options(&self) -> Map<String, Value> {
        match self {
            ProjectionSpec::Plain(..) => Map::new(),
            ProjectionSpec::WithOptions(_, _, _, options) => options.clone(),
        }
    }
}
