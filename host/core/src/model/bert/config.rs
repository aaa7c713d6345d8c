use serde::Deserialize;

use crate::model::ModelError;
use crate::model::config::{DEFAULT_LABELS, ModelConfig};
use crate::model::nn::Activation;

/// What BERT reads of its `config.json`. Keys with a default are those that transformers fills in, too; the sizes of
/// the model are never guessed.
#[derive(Debug, Deserialize)]
pub(super) struct BertConfig {
    pub vocab_size: i64,
    pub hidden_size: i64,
    pub num_hidden_layers: usize,
    pub num_attention_heads: i64,
    pub intermediate_size: i64,
    #[serde(default = "default_activation")]
    pub hidden_act: Activation,
    #[serde(default = "default_dropout")]
    pub hidden_dropout_prob: f64,
    #[serde(default = "default_dropout")]
    pub attention_probs_dropout_prob: f64,
    pub classifier_dropout: Option<f64>,
    #[serde(default = "default_positions")]
    pub max_position_embeddings: i64,
    #[serde(default = "default_types")]
    pub type_vocab_size: i64,
    #[serde(default = "default_range")]
    pub initializer_range: f64,
    #[serde(default = "default_epsilon")]
    pub layer_norm_eps: f64,
    #[serde(default = "default_padding")]
    pub pad_token_id: Option<i64>,
    #[serde(default)]
    is_decoder: bool,
    #[serde(default)]
    add_cross_attention: bool,
    position_embedding_type: Option<String>,
}

fn default_activation() -> Activation {
    Activation::Gelu
}

fn default_dropout() -> f64 {
    0.1
}

fn default_positions() -> i64 {
    512
}

fn default_types() -> i64 {
    2
}

fn default_range() -> f64 {
    0.02
}

fn default_epsilon() -> f64 {
    1e-12
}

fn default_padding() -> Option<i64> {
    Some(0)
}

impl BertConfig {
    /// Reads and checks the keys.
    pub fn new(config: &ModelConfig) -> Result<Self, ModelError> {
        let bert: Self = config.parse()?;
        bert.check().map_err(|reason| config.invalid(reason))?;
        Ok(bert)
    }

    fn check(&self) -> Result<(), String> {
        for (key, size) in [
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("num_attention_heads", self.num_attention_heads),
            ("intermediate_size", self.intermediate_size),
            ("max_position_embeddings", self.max_position_embeddings),
            ("type_vocab_size", self.type_vocab_size),
        ] {
            if size < 1 {
                return Err(format!("`{key}` is {size}; expected 1 or more"));
            }
        }
        if self.num_hidden_layers == 0 {
            return Err("`num_hidden_layers` is 0; expected 1 or more".to_owned());
        }
        let (size, heads) = (self.hidden_size, self.num_attention_heads);
        if size % heads != 0 {
            return Err(format!("`hidden_size` {size} is not a multiple of `num_attention_heads` {heads}"));
        }
        for (key, probability) in [
            ("hidden_dropout_prob", Some(self.hidden_dropout_prob)),
            ("attention_probs_dropout_prob", Some(self.attention_probs_dropout_prob)),
            ("classifier_dropout", self.classifier_dropout),
        ] {
            if let Some(probability) = probability.filter(|probability| !(0.0..1.0).contains(probability)) {
                return Err(format!("`{key}` is {probability}; expected 0 or more and less than 1"));
            }
        }
        if self.initializer_range < 0.0 {
            return Err(format!("`initializer_range` is {}; expected 0 or more", self.initializer_range));
        }
        if let Some(id) = self.pad_token_id.filter(|id| !(0..self.vocab_size).contains(id)) {
            return Err(format!("`pad_token_id` is {id}; the vocabulary has 0 to {}", self.vocab_size - 1));
        }
        if self.is_decoder || self.add_cross_attention {
            return Err("`is_decoder` or `add_cross_attention` is true; only encoders are supported".to_owned());
        }
        match self.position_embedding_type.as_deref() {
            None | Some("absolute") => Ok(()),
            Some(other) => Err(format!("`position_embedding_type` is `{other}`; only `absolute` is supported")),
        }
    }
}

/// The names of the classes.
pub(super) fn labels(config: &ModelConfig) -> Result<Vec<String>, ModelError> {
    Ok(config.labels()?.unwrap_or_else(|| DEFAULT_LABELS.map(str::to_owned).to_vec()))
}

/// Refuses what transformers would train with another loss than cross-entropy.
pub(super) fn check_is_single_label(config: &ModelConfig, num_labels: usize) -> Result<(), ModelError> {
    let problem = config.get("problem_type").and_then(|value| value.as_str());
    if let Some(problem) = problem.filter(|problem| *problem != "single_label_classification") {
        return Err(
            config.invalid(format!("`problem_type` is `{problem}`; only `single_label_classification` is supported"))
        );
    }
    if num_labels < 2 {
        return Err(config.invalid(format!(
            "the model has {num_labels} label, which means regression; only classification with 2 labels or more is \
             supported"
        )));
    }
    Ok(())
}
