//! RoBERTa (Liu et al., arXiv:1907.11692), and XLM-RoBERTa and CamemBERT, which are the same network. Its layers are BERT's;
//! its positions count from the padding token's id, and its head for whole examples has no pooler.

use tch::{Kind, Tensor};

use super::bert::{BertConfig, Encoder};
use super::{Architecture, Body, Family, Network, Size};
use crate::model::builder::{Builder, Scope};
use crate::model::heads::{self, Head};
use crate::model::huggingface::ModelConfig;
use crate::model::inputs::Inputs;
use crate::model::layers::{Activation, Dropout, Embedding, LayerNorm, Linear};
use crate::model::{ModelError, Pass};
use crate::{Result, Task};

const fn family(model_type: &'static str) -> Family {
    Family {
        model_type,
        body: "roberta.",
        pooler: "roberta.pooler.",
        unused: &[],
        layers: Some("roberta.encoder.layer."),
        num_layers: "num_hidden_layers",
        sizes: &[
            Size { key: "vocab_size", tensor: "roberta.embeddings.word_embeddings.weight", dim: 0 },
            Size { key: "hidden_size", tensor: "roberta.embeddings.word_embeddings.weight", dim: 1 },
            Size { key: "max_position_embeddings", tensor: "roberta.embeddings.position_embeddings.weight", dim: 0 },
            Size { key: "type_vocab_size", tensor: "roberta.embeddings.token_type_embeddings.weight", dim: 0 },
            Size { key: "intermediate_size", tensor: "roberta.encoder.layer.0.intermediate.dense.weight", dim: 0 },
        ],
    }
}

static ROBERTA: Family = family("roberta");
static XLM_ROBERTA: Family = family("xlm-roberta");
static CAMEMBERT: Family = family("camembert");

#[rustfmt::skip]
pub(super) static ARCHITECTURES: [Architecture; 9] = [
    Architecture { name: "RobertaForSequenceClassification", family: &ROBERTA, build: sequence_classification },
    Architecture { name: "RobertaForTokenClassification", family: &ROBERTA, build: token_classification },
    Architecture { name: "RobertaForMaskedLM", family: &ROBERTA, build: masked_lm },
    Architecture { name: "XLMRobertaForSequenceClassification", family: &XLM_ROBERTA, build: sequence_classification },
    Architecture { name: "XLMRobertaForTokenClassification", family: &XLM_ROBERTA, build: token_classification },
    Architecture { name: "XLMRobertaForMaskedLM", family: &XLM_ROBERTA, build: masked_lm },
    Architecture { name: "CamembertForSequenceClassification", family: &CAMEMBERT, build: sequence_classification },
    Architecture { name: "CamembertForTokenClassification", family: &CAMEMBERT, build: token_classification },
    Architecture { name: "CamembertForMaskedLM", family: &CAMEMBERT, build: masked_lm },
];

fn sequence_classification(config: &ModelConfig, builder: &mut Builder) -> Result<Network> {
    let (roberta, padding) = read(config)?;
    let task = config.sequence_task()?;
    let body = Roberta::new(&roberta, padding, builder)?;
    let size = roberta.hidden_size;
    let head = Head::Sequence {
        before: roberta.head_dropout(),
        dense: Linear::new(builder.at("classifier.dense"), size, size)?,
        activation: Activation::Tanh,
        pooler: None,
        after: roberta.head_dropout(),
        output: Linear::new(builder.at("classifier.out_proj"), size, task.num_outputs())?,
    };
    Ok(Network { spec: roberta.spec(max_length(&roberta, padding), task), body: Box::new(body), head })
}

fn token_classification(config: &ModelConfig, builder: &mut Builder) -> Result<Network> {
    let (roberta, padding) = read(config)?;
    let task = config.token_task()?;
    let body = Roberta::new(&roberta, padding, builder)?;
    let head = Head::Tokens {
        dropout: roberta.head_dropout(),
        output: Linear::new(builder.at("classifier"), roberta.hidden_size, task.num_outputs())?,
    };
    Ok(Network { spec: roberta.spec(max_length(&roberta, padding), task), body: Box::new(body), head })
}

fn masked_lm(config: &ModelConfig, builder: &mut Builder) -> Result<Network> {
    let (roberta, padding) = read(config)?;
    let body = Roberta::new(&roberta, padding, builder)?;
    let (size, vocab_size) = (roberta.hidden_size, roberta.vocab_size);
    let mut scope = builder.at("lm_head");
    let words = config.ties_words()?.then_some("roberta.embeddings.word_embeddings.weight");
    let head = Head::Words {
        dense: Linear::new(scope.at("dense"), size, size)?,
        // Whatever `hidden_act` is.
        activation: Activation::Gelu,
        norm: LayerNorm::new(scope.at("layer_norm"), size, roberta.layer_norm_eps)?,
        output: heads::decoder(scope, words, size, vocab_size)?,
    };
    let spec = roberta.spec(max_length(&roberta, padding), Task::MaskedLm { vocab_size });
    Ok(Network { spec, body: Box::new(body), head })
}

/// Reads the keys, which are BERT's, and the id of the padding token.
fn read(config: &ModelConfig) -> Result<(BertConfig, i64), ModelError> {
    let key = "pad_token_id";
    let mut config = config.clone();
    if config.get(key).is_none() {
        config.set(key, 1);
    }
    let roberta = BertConfig::new(&config)?;
    let padding = roberta.pad_token_id;
    let padding = padding
        .ok_or_else(|| config.invalid(format!("`{key}` is null; expected the token from which positions count")))?;
    if max_length(&roberta, padding) < 1 {
        return Err(config.invalid(format!(
            "`max_position_embeddings` is {}; expected more than {}, because positions count from `{key}` on",
            roberta.max_position_embeddings,
            padding + 1
        )));
    }
    Ok((roberta, padding))
}

/// The first position is the one behind the padding token's id.
fn max_length(config: &BertConfig, padding: i64) -> i64 {
    config.max_position_embeddings - padding - 1
}

struct Roberta {
    embeddings: Embeddings,
    encoder: Encoder,
}

impl Roberta {
    fn new(config: &BertConfig, padding: i64, builder: &mut Builder) -> Result<Self> {
        builder.initializer_range = config.initializer_range;
        Ok(Self {
            embeddings: Embeddings::new(builder.at("roberta.embeddings"), config, padding)?,
            encoder: Encoder::new(builder.at("roberta.encoder"), config)?,
        })
    }
}

impl Body for Roberta {
    fn forward(&self, inputs: &Inputs, pass: &mut Pass) -> Result<Option<Tensor>> {
        let embedded = self.embeddings.forward(inputs, pass)?;
        self.encoder.forward(embedded, inputs.mask.as_ref(), pass)
    }
}

/// The sum of word, position and token type embeddings, normalized.
struct Embeddings {
    name: String,
    words: Embedding,
    positions: Embedding,
    token_types: Embedding,
    norm: LayerNorm,
    dropout: Dropout,
    /// The id of the padding token.
    padding: i64,
}

impl Embeddings {
    fn new(mut scope: Scope, config: &BertConfig, padding: i64) -> Result<Self> {
        let (size, positions) = (config.hidden_size, config.max_position_embeddings);
        Ok(Self {
            name: scope.module(),
            words: Embedding::new(scope.at("word_embeddings"), config.vocab_size, size, Some(padding))?,
            positions: Embedding::new(scope.at("position_embeddings"), positions, size, Some(padding))?,
            token_types: Embedding::new(scope.at("token_type_embeddings"), config.type_vocab_size, size, None)?,
            norm: LayerNorm::new(scope.at("LayerNorm"), size, config.layer_norm_eps)?,
            dropout: Dropout(config.hidden_dropout_prob),
            padding,
        })
    }

    /// `[batch, length, hidden]`.
    fn forward(&self, inputs: &Inputs, pass: &mut Pass) -> Result<Tensor> {
        let types = match &inputs.token_types {
            Some(types) => self.token_types.forward(types)?,
            None => self.token_types.first(1)?,
        };
        let positions = self.positions.forward(&positions(&inputs.ids, self.padding)?)?;
        let sum = self.words.forward(&inputs.ids)?.f_add_(&types)?.f_add_(&positions)?;
        let embedded = self.dropout.forward(self.norm.forward(&sum)?, pass)?;
        pass.module(&self.name, &embedded);
        Ok(embedded)
    }
}

/// The position of each token `[batch, length]`: tokens that are not padding are counted from the padding's id + 1 on, and
/// padding stands at its own id.
pub(super) fn positions(ids: &Tensor, padding: i64) -> Result<Tensor> {
    let is_token = ids.f_ne(padding)?.f_to_kind(Kind::Int64)?;
    Ok(is_token.f_cumsum(1, Kind::Int64)?.f_mul(&is_token)?.f_add_scalar(padding)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_tokens_from_the_padding_on() {
        let ids = Tensor::from_slice2(&[[0_i64, 7, 1, 1], [1, 0, 7, 2]]);
        let expected = Tensor::from_slice2(&[[2_i64, 3, 1, 1], [1, 2, 3, 4]]);
        assert!(positions(&ids, 1).unwrap().equal(&expected));
    }
}
