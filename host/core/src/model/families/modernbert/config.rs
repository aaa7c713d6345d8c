use std::collections::BTreeMap;

use serde::Deserialize;

use crate::Task;
use crate::model::families::{self, defaults};
use crate::model::heads::Pooling;
use crate::model::huggingface::ModelConfig;
use crate::model::layers::{Activation, RopeParameters};
use crate::model::{InputSpec, ModelError, ModelSpec};

/// What ModernBERT reads of its `config.json`. Keys with a default are those that transformers fills in, too; the sizes of
/// the model are never guessed. How attention is computed (`deterministic_flash_attn`, `reference_compile`) and what of
/// the logits is returned (`sparse_prediction`) changes no number here.
#[derive(Debug, Deserialize)]
pub(super) struct ModernBertConfig {
    pub vocab_size: i64,
    pub hidden_size: i64,
    pub num_hidden_layers: i64,
    pub num_attention_heads: i64,
    pub intermediate_size: i64,
    pub head_dim: Option<i64>,
    #[serde(default = "defaults::activation")]
    pub hidden_activation: Activation,
    #[serde(default = "default_positions")]
    pub max_position_embeddings: i64,
    #[serde(default = "defaults::initializer_range")]
    pub initializer_range: f64,
    #[serde(default = "default_cutoff")]
    pub initializer_cutoff_factor: Option<f64>,
    #[serde(default = "default_epsilon")]
    pub norm_eps: f64,
    #[serde(default)]
    pub norm_bias: bool,
    #[serde(default = "default_padding")]
    pub pad_token_id: Option<i64>,
    #[serde(default)]
    pub attention_bias: bool,
    #[serde(default)]
    pub attention_dropout: f64,
    pub layer_types: Option<Vec<LayerType>>,
    #[serde(default = "default_every")]
    pub global_attn_every_n_layers: i64,
    #[serde(default = "default_window")]
    pub local_attention: i64,
    pub rope_parameters: Option<BTreeMap<LayerType, Option<RopeParameters>>>,
    pub rope_scaling: Option<RopeParameters>,
    #[serde(default = "default_global_theta")]
    pub global_rope_theta: f64,
    /// That of all layers, if it is null.
    #[serde(default = "default_local_theta")]
    pub local_rope_theta: Option<f64>,
    #[serde(default)]
    pub embedding_dropout: f64,
    #[serde(default)]
    pub mlp_bias: bool,
    #[serde(default)]
    pub mlp_dropout: f64,
    #[serde(default = "yes")]
    pub decoder_bias: bool,
    #[serde(default = "first")]
    pub classifier_pooling: Pooling,
    #[serde(default)]
    pub classifier_dropout: f64,
    #[serde(default)]
    pub classifier_bias: bool,
    #[serde(default = "defaults::activation")]
    pub classifier_activation: Activation,
}

fn default_positions() -> i64 {
    8192
}

fn default_cutoff() -> Option<f64> {
    Some(2.0)
}

fn default_epsilon() -> f64 {
    1e-5
}

fn default_padding() -> Option<i64> {
    Some(50_283)
}

fn default_every() -> i64 {
    3
}

fn default_window() -> i64 {
    128
}

fn default_global_theta() -> f64 {
    160_000.0
}

fn default_local_theta() -> Option<f64> {
    Some(10_000.0)
}

fn yes() -> bool {
    true
}

fn first() -> Pooling {
    Pooling::First
}

/// To which tokens a layer attends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(super) enum LayerType {
    /// All.
    #[serde(rename = "full_attention")]
    Full,
    /// Those at most half of `local_attention` away.
    #[serde(rename = "sliding_attention")]
    Sliding,
}

impl LayerType {
    pub fn name(self) -> &'static str {
        match self {
            LayerType::Full => "full_attention",
            LayerType::Sliding => "sliding_attention",
        }
    }
}

impl ModernBertConfig {
    /// Reads and checks the keys.
    pub fn new(config: &ModelConfig) -> Result<Self, ModelError> {
        families::checked(config, Self::check)
    }

    fn check(&self) -> Result<(), String> {
        families::check_sizes(&[
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_attention_heads", self.num_attention_heads),
            ("intermediate_size", self.intermediate_size),
            ("max_position_embeddings", self.max_position_embeddings),
            ("global_attn_every_n_layers", self.global_attn_every_n_layers),
        ])?;
        families::check_heads(("hidden_size", self.hidden_size), ("num_attention_heads", self.num_attention_heads))?;
        families::check_probabilities(&[
            ("attention_dropout", Some(self.attention_dropout)),
            ("embedding_dropout", Some(self.embedding_dropout)),
            ("mlp_dropout", Some(self.mlp_dropout)),
            ("classifier_dropout", Some(self.classifier_dropout)),
        ])?;
        families::check_not_negative(&[
            ("initializer_range", self.initializer_range),
            ("initializer_cutoff_factor", self.cutoff()),
            ("norm_eps", self.norm_eps),
            ("local_attention", self.local_attention as f64),
        ])?;
        families::check_padding(self.pad_token_id, self.vocab_size)?;
        let head_size = self.head_size();
        if head_size % 2 != 0 {
            return Err(format!(
                "a head has {head_size} elements; positions are rotations of pairs, expected an even number"
            ));
        }
        if let Some(found) = self.head_dim.filter(|size| *size != head_size) {
            return Err(format!("`head_dim` is {found}; only `hidden_size` by heads is supported, {head_size}"));
        }
        if let Some(types) = self.layer_types.as_ref().filter(|types| types.len() as i64 != self.num_hidden_layers) {
            let (found, expected) = (types.len(), self.num_hidden_layers);
            return Err(format!("`layer_types` has {found} items; expected {expected}, one for each layer"));
        }
        if self.rope_parameters.is_some() && self.rope_scaling.is_some() {
            return Err("`rope_parameters` and `rope_scaling` are both given; expected one of them".to_owned());
        }
        for layer_type in [LayerType::Full, LayerType::Sliding] {
            let (parameters, theta) = self.rope(layer_type);
            parameters.check(&format!("rope_parameters.{}", layer_type.name()))?;
            // Theirs is positive by now; without one it is that of the config.
            if theta <= 0.0 {
                let is_local = layer_type == LayerType::Sliding && self.local_rope_theta.is_some();
                let key = if is_local { "local_rope_theta" } else { "global_rope_theta" };
                return Err(format!("`{key}` is {theta}; expected more than 0"));
            }
        }
        Ok(())
    }

    pub fn head_size(&self) -> i64 {
        self.hidden_size / self.num_attention_heads
    }

    pub fn cutoff(&self) -> f64 {
        self.initializer_cutoff_factor.unwrap_or(3.0)
    }

    /// The kind of the layer at an index: that of `layer_types`, or every n-th attends to all tokens.
    pub fn layer_type(&self, layer: usize) -> LayerType {
        let listed = self.layer_types.as_ref().and_then(|types| types.get(layer).copied());
        let is_full = layer as i64 % self.global_attn_every_n_layers == 0;
        listed.unwrap_or(if is_full { LayerType::Full } else { LayerType::Sliding })
    }

    /// How the positions of layers of a kind become angles, and the base of these.
    pub fn rope(&self, layer_type: LayerType) -> (RopeParameters, f64) {
        let own = self.rope_parameters.as_ref().and_then(|kinds| kinds.get(&layer_type).copied().flatten());
        let parameters = own.or(self.rope_scaling).unwrap_or_default();
        let theta = match layer_type {
            LayerType::Full => self.global_rope_theta,
            LayerType::Sliding => self.local_rope_theta.unwrap_or(self.global_rope_theta),
        };
        (parameters, parameters.rope_theta.unwrap_or(theta))
    }

    pub fn spec(&self, task: Task) -> ModelSpec {
        ModelSpec {
            architecture: String::new(),
            inputs: InputSpec::of_text(
                self.vocab_size,
                None,
                self.max_position_embeddings,
                self.pad_token_id.unwrap_or(0),
            ),
            task,
            num_layers: Some(self.num_hidden_layers as usize),
            hidden_size: Some(self.hidden_size),
            num_attention_heads: Some(self.num_attention_heads),
        }
    }
}
