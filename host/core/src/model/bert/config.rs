use serde::Deserialize;

use crate::model::ModelError;
use crate::model::config::{DEFAULT_LABELS, ModelConfig};
use crate::model::memory;
use crate::model::nn::Activation;

/// What BERT reads of its `config.json`. Keys with a default are those that transformers fills in, too; the sizes of
/// the model are never guessed.
#[derive(Debug, Deserialize)]
pub(super) struct BertConfig {
    pub vocab_size: i64,
    pub hidden_size: i64,
    pub num_hidden_layers: i64,
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
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_attention_heads", self.num_attention_heads),
            ("intermediate_size", self.intermediate_size),
            ("max_position_embeddings", self.max_position_embeddings),
            ("type_vocab_size", self.type_vocab_size),
        ] {
            if size < 1 {
                return Err(format!("`{key}` is {size}; expected 1 or more"));
            }
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
        for (key, number) in [("initializer_range", self.initializer_range), ("layer_norm_eps", self.layer_norm_eps)] {
            if number < 0.0 {
                return Err(format!("`{key}` is {number}; expected 0 or more"));
            }
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

    /// Whether the parameters fit the memory of this machine, before any of them is allocated.
    pub fn check_memory(&self, config: &ModelConfig, num_labels: usize, has_pooler: bool) -> Result<(), ModelError> {
        let sizes = [
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("num_hidden_layers", self.num_hidden_layers),
            ("intermediate_size", self.intermediate_size),
            ("max_position_embeddings", self.max_position_embeddings),
            ("type_vocab_size", self.type_vocab_size),
        ];
        memory::check(self.num_parameters(num_labels, has_pooler)).map_err(|found| {
            let sizes = sizes.map(|(key, size)| format!("`{key}` {size}")).join(", ");
            config.invalid(format!("{found}: {sizes}, {num_labels} labels; make it smaller"))
        })
    }

    /// How many numbers there are in all parameters; the largest `u128` if there are more.
    fn num_parameters(&self, num_labels: usize, has_pooler: bool) -> u128 {
        // Sizes are positive and below 2⁶³, so the product of two is below 2¹²⁶.
        let size = |size: i64| u128::from(size.unsigned_abs());
        let dense = |input: u128, output: u128| input.saturating_mul(output).saturating_add(output);
        let sum = |parts: &[u128]| parts.iter().fold(0_u128, |sum, part| sum.saturating_add(*part));
        let (hidden, inner) = (size(self.hidden_size), size(self.intermediate_size));
        let norm = 2 * hidden;
        let entries = size(self.vocab_size) + size(self.max_position_embeddings) + size(self.type_vocab_size);
        let embeddings = entries.saturating_mul(hidden).saturating_add(norm);
        let attention = sum(&[dense(hidden, hidden).saturating_mul(4), norm]);
        let feed_forward = sum(&[dense(hidden, inner), dense(inner, hidden), norm]);
        let layers = sum(&[attention, feed_forward]).saturating_mul(size(self.num_hidden_layers));
        let pooler = if has_pooler { dense(hidden, hidden) } else { 0 };
        sum(&[embeddings, layers, pooler, dense(hidden, num_labels as u128)])
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tch::Device;

    use super::*;
    use crate::model::registry;

    #[test]
    fn parameters_are_counted_as_they_are_made() {
        for folder in ["bert_sequence_classification", "bert_token_classification"] {
            let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/parity/models");
            let config = ModelConfig::read(&models.join(folder).join("config.json")).unwrap();
            let architecture = registry::choose(&config, None).unwrap();
            let draft = (architecture.draft)(architecture, &config, Device::Cpu).unwrap();
            let labels = labels(&config).unwrap().len();
            let counted = BertConfig::new(&config).unwrap().num_parameters(labels, draft.parts.pooler.is_some());
            assert_eq!(counted, draft.unfilled.parameters().num_elements() as u128, "{folder}");
        }
    }
}
