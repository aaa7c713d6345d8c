//! BERT.

mod config;
mod embeddings;
mod encoder;

use std::sync::Arc;

use tch::{Device, Tensor};

use super::builder::{Builder, Scope};
use super::config::ModelConfig;
use super::demand::{Demand, Encoded};
use super::heads::Classifier;
use super::inputs::Inputs;
use super::nn::{Dropout, Linear};
use super::registry::{Architecture, Family, Size};
use super::taps::Taps;
use super::transformer::{Body, Draft, Parts, Pooler};
use super::{Mode, ModelInfo};
use crate::Result;
use config::BertConfig;
use embeddings::Embeddings;
use encoder::Encoder;

static FAMILY: Family = Family {
    model_type: "bert",
    body: "bert.",
    pooler: "bert.pooler.",
    layers: "bert.encoder.layer.",
    num_layers: "num_hidden_layers",
    sizes: &[
        Size { key: "vocab_size", tensor: "bert.embeddings.word_embeddings.weight", dim: 0 },
        Size { key: "hidden_size", tensor: "bert.embeddings.word_embeddings.weight", dim: 1 },
        Size { key: "max_position_embeddings", tensor: "bert.embeddings.position_embeddings.weight", dim: 0 },
        Size { key: "type_vocab_size", tensor: "bert.embeddings.token_type_embeddings.weight", dim: 0 },
        Size { key: "intermediate_size", tensor: "bert.encoder.layer.0.intermediate.dense.weight", dim: 0 },
    ],
};

pub(super) static SEQUENCE_CLASSIFICATION: Architecture =
    Architecture { name: "BertForSequenceClassification", family: &FAMILY, draft: sequence_classification };

pub(super) static TOKEN_CLASSIFICATION: Architecture =
    Architecture { name: "BertForTokenClassification", family: &FAMILY, draft: token_classification };

fn sequence_classification(architecture: &Architecture, config: &ModelConfig, device: Device) -> Result<Draft> {
    let bert = BertConfig::new(config)?;
    let labels = config::labels(config)?;
    config::check_is_single_label(config, labels.len())?;
    bert.check_memory(config, labels.len(), true)?;
    let mut builder = Builder::new(device, bert.initializer_range);
    let body = Box::new(Bert::new(builder.at("bert"), &bert)?);
    let pooler = Box::new(FirstToken::new(builder.at("bert.pooler"), &bert)?);
    let head = Classifier::new(builder.at("classifier"), bert.hidden_size, labels.len() as i64, bert.head_dropout())?;
    Ok(Draft {
        info: bert.info(architecture, labels, false),
        parts: Parts { body, pooler: Some(pooler), head: Box::new(head), modules: modules(&bert, true) },
        unfilled: builder.finish(),
    })
}

fn token_classification(architecture: &Architecture, config: &ModelConfig, device: Device) -> Result<Draft> {
    let bert = BertConfig::new(config)?;
    let labels = config::labels(config)?;
    bert.check_memory(config, labels.len(), false)?;
    let mut builder = Builder::new(device, bert.initializer_range);
    let body = Box::new(Bert::new(builder.at("bert"), &bert)?);
    let head = Classifier::new(builder.at("classifier"), bert.hidden_size, labels.len() as i64, bert.head_dropout())?;
    Ok(Draft {
        info: bert.info(architecture, labels, true),
        parts: Parts { body, pooler: None, head: Box::new(head), modules: modules(&bert, false) },
        unfilled: builder.finish(),
    })
}

/// The modules whose output can be asked for.
fn modules(config: &BertConfig, has_pooler: bool) -> Arc<[String]> {
    let layers = (0..config.num_hidden_layers)
        .flat_map(|layer| encoder::MODULES_OF_LAYER.map(|name| format!("bert.encoder.layer.{layer}{name}")));
    let pooler = has_pooler.then(|| "bert.pooler".to_owned());
    ["bert.embeddings".to_owned()].into_iter().chain(layers).chain(pooler).collect()
}

/// Embeddings and encoder.
struct Bert {
    embeddings: Embeddings,
    encoder: Encoder,
}

impl Bert {
    fn new(mut scope: Scope, config: &BertConfig) -> Result<Self> {
        Ok(Self {
            embeddings: Embeddings::new(scope.at("embeddings"), config)?,
            encoder: Encoder::new(scope.at("encoder"), config)?,
        })
    }
}

impl Body for Bert {
    fn forward(&self, inputs: &Inputs, demand: &Demand, mode: Mode) -> Result<Encoded> {
        let embed = || {
            let embedded = self.embeddings.forward(inputs, mode)?;
            demand.taps.at("bert.embeddings").keep(&embedded);
            Ok(embedded)
        };
        self.encoder.forward(embed, inputs.mask.as_ref(), demand, mode)
    }
}

/// A dense layer and tanh over the first token's hidden state.
struct FirstToken {
    dense: Linear,
}

impl FirstToken {
    fn new(mut scope: Scope, config: &BertConfig) -> Result<Self> {
        Ok(Self { dense: Linear::new(scope.at("dense"), config.hidden_size, config.hidden_size)? })
    }
}

impl Pooler for FirstToken {
    fn forward(&self, hidden: &Tensor, taps: &Taps) -> Result<Tensor> {
        let pooled = self.dense.forward(&hidden.f_select(1, 0)?)?.f_tanh()?;
        taps.at("bert.pooler").keep(&pooled);
        Ok(pooled)
    }
}

impl BertConfig {
    fn head_dropout(&self) -> Dropout {
        Dropout(self.classifier_dropout.unwrap_or(self.hidden_dropout_prob))
    }

    fn info(&self, architecture: &Architecture, labels: Vec<String>, labels_per_token: bool) -> ModelInfo {
        ModelInfo {
            architecture: architecture.name.to_owned(),
            num_layers: self.num_hidden_layers as usize,
            hidden_size: self.hidden_size,
            num_attention_heads: self.num_attention_heads,
            vocab_size: self.vocab_size,
            max_length: self.max_position_embeddings as usize,
            type_vocab_size: self.type_vocab_size,
            pad_token_id: self.pad_token_id.unwrap_or(0),
            labels,
            labels_per_token,
        }
    }
}
