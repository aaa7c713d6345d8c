//! ALBERT (Lan et al., arXiv:1909.11942), as transformers computes it: one layer that is run again and again, and embeddings
//! of a size of their own.

use serde::Deserialize;
use tch::Tensor;

use super::bert::BertConfig;
use super::{Architecture, Body, Family, Network, Size};
use crate::model::builder::{Builder, Scope};
use crate::model::heads::{self, Head, Pooling, Transform};
use crate::model::huggingface::ModelConfig;
use crate::model::inputs::Inputs;
use crate::model::layers::{Activation, Dropout, Embeddings, LayerNorm, Linear, SelfAttention, padding_bias};
use crate::model::{ModelError, Pass};
use crate::{Result, Task};

static FAMILY: Family = Family {
    model_type: "albert",
    body: "albert.",
    pooler: "albert.pooler.",
    // Sentence-order prediction, with which ALBERT was pre-trained.
    unused: &["sop_classifier."],
    // All layers are one.
    layers: None,
    num_layers: "num_hidden_layers",
    layer_type: None,
    sizes: &[
        Size { key: "vocab_size", tensor: WORDS, dim: 0 },
        Size { key: "embedding_size", tensor: WORDS, dim: 1 },
        Size { key: "hidden_size", tensor: "albert.encoder.embedding_hidden_mapping_in.weight", dim: 0 },
        Size { key: "max_position_embeddings", tensor: "albert.embeddings.position_embeddings.weight", dim: 0 },
        Size { key: "type_vocab_size", tensor: "albert.embeddings.token_type_embeddings.weight", dim: 0 },
        Size {
            key: "intermediate_size",
            tensor: "albert.encoder.albert_layer_groups.0.albert_layers.0.ffn.weight",
            dim: 0,
        },
    ],
};

const WORDS: &str = "albert.embeddings.word_embeddings.weight";

pub(super) static ARCHITECTURES: [Architecture; 4] = [
    Architecture { name: "AlbertForSequenceClassification", family: &FAMILY, build: sequence_classification },
    Architecture { name: "AlbertForTokenClassification", family: &FAMILY, build: token_classification },
    Architecture { name: "AlbertForQuestionAnswering", family: &FAMILY, build: question_answering },
    Architecture { name: "AlbertForMaskedLM", family: &FAMILY, build: masked_lm },
];

fn sequence_classification(config: &ModelConfig, builder: &mut Builder) -> Result<Network> {
    let (albert, own) = read(config)?;
    let task = config.sequence_task()?;
    let body = Albert::new(&albert, &own, builder)?;
    let mut pooler = builder.at("albert.pooler");
    let head = Head {
        pooling: Some(Pooling::First),
        before: Dropout::NONE,
        pooler: Some(pooler.module()),
        transform: Some(Transform {
            dense: Linear::new(pooler, albert.hidden_size, albert.hidden_size)?,
            activation: Activation::Tanh,
            norm: None,
        }),
        after: Dropout(own.classifier_dropout_prob),
        output: Linear::new(builder.at("classifier"), albert.hidden_size, task.num_outputs())?,
    };
    Ok(Network { spec: albert.spec(albert.max_position_embeddings, task), body: Box::new(body), head })
}

fn token_classification(config: &ModelConfig, builder: &mut Builder) -> Result<Network> {
    let (albert, own) = read(config)?;
    let task = config.token_task()?;
    let body = Albert::new(&albert, &own, builder)?;
    let output = Linear::new(builder.at("classifier"), albert.hidden_size, task.num_outputs())?;
    let head = Head::tokens(Dropout(own.classifier_dropout_prob), output);
    Ok(Network { spec: albert.spec(albert.max_position_embeddings, task), body: Box::new(body), head })
}

fn question_answering(config: &ModelConfig, builder: &mut Builder) -> Result<Network> {
    let (albert, own) = read(config)?;
    let body = Albert::new(&albert, &own, builder)?;
    let output = Linear::new(builder.at("qa_outputs"), albert.hidden_size, Task::Spans.num_outputs())?;
    let head = Head::tokens(Dropout::NONE, output);
    Ok(Network { spec: albert.spec(albert.max_position_embeddings, Task::Spans), body: Box::new(body), head })
}

fn masked_lm(config: &ModelConfig, builder: &mut Builder) -> Result<Network> {
    let (albert, own) = read(config)?;
    let vocab_size = albert.vocab_size;
    let body = Albert::new(&albert, &own, builder)?;
    let mut scope = builder.at("predictions");
    let words = config.ties_words()?.then_some(WORDS);
    let transform = Transform {
        dense: Linear::new(scope.at("dense"), albert.hidden_size, own.embedding_size)?,
        activation: albert.hidden_act,
        norm: Some(LayerNorm::new(scope.at("LayerNorm"), own.embedding_size, albert.layer_norm_eps)?),
    };
    let head = Head::words(transform, heads::decoder(scope, words, own.embedding_size, vocab_size)?);
    let spec = albert.spec(albert.max_position_embeddings, Task::MaskedLm { vocab_size });
    Ok(Network { spec, body: Box::new(body), head })
}

/// The most layers: no memory bounds their number, as they share their parameters.
const MAX_LAYERS: i64 = 1024;

/// What ALBERT's config has besides BERT's keys.
#[derive(Deserialize)]
struct Own {
    embedding_size: i64,
    #[serde(default = "default_head_dropout")]
    classifier_dropout_prob: f64,
    #[serde(default = "one")]
    num_hidden_groups: i64,
    #[serde(default = "one")]
    inner_group_num: i64,
}

fn default_head_dropout() -> f64 {
    0.1
}

fn one() -> i64 {
    1
}

/// Reads BERT's keys, with ALBERT's defaults where they are others, and those besides.
fn read(config: &ModelConfig) -> Result<(BertConfig, Own), ModelError> {
    let mut config = config.clone();
    for key in ["hidden_dropout_prob", "attention_probs_dropout_prob"] {
        if config.get(key).is_none() {
            config.set(key, 0.0);
        }
    }
    if config.get("hidden_act").is_none() {
        config.set("hidden_act", "gelu_new");
    }
    let albert = BertConfig::new(&config)?;
    let own: Own = config.parse()?;
    let check = || -> Result<(), String> {
        super::check_sizes(&[("embedding_size", own.embedding_size)])?;
        if albert.num_hidden_layers > MAX_LAYERS {
            return Err(format!("`num_hidden_layers` is {}; expected at most {MAX_LAYERS}", albert.num_hidden_layers));
        }
        super::check_probabilities(&[("classifier_dropout_prob", Some(own.classifier_dropout_prob))])?;
        for (key, count) in [("num_hidden_groups", own.num_hidden_groups), ("inner_group_num", own.inner_group_num)] {
            if count != 1 {
                return Err(format!("`{key}` is {count}; only 1 is supported, with which all layers are one"));
            }
        }
        Ok(())
    };
    check().map_err(|reason| config.invalid(reason))?;
    Ok((albert, own))
}

struct Albert {
    embeddings: Embeddings,
    /// From the size of the embeddings to that of the layers.
    projection: Linear,
    layer: Layer,
}

impl Albert {
    fn new(config: &BertConfig, own: &Own, builder: &mut Builder) -> Result<Self> {
        builder.initializer_range = config.initializer_range;
        let mapping = "albert.encoder.embedding_hidden_mapping_in";
        let layer = "albert.encoder.albert_layer_groups.0.albert_layers.0";
        Ok(Self {
            embeddings: Embeddings::new(builder.at("albert.embeddings"), &config.embeddings(own.embedding_size))?,
            projection: Linear::new(builder.at(mapping), own.embedding_size, config.hidden_size)?,
            layer: Layer::new(builder.at(layer), config)?,
        })
    }
}

impl Body for Albert {
    fn forward(&self, inputs: &Inputs, pass: &mut Pass) -> Result<Option<Tensor>> {
        let embedded = self.projection.forward(&self.embeddings.forward(inputs, pass)?)?;
        let bias = inputs.mask.as_ref().map(|mask| padding_bias(mask, embedded.f_kind()?)).transpose()?;
        pass.layers(embedded, |_, hidden, pass| self.layer.forward(hidden, bias.as_ref(), pass))
    }
}

/// The layer. What a module in it returned is, if it is asked for, what it returned the last time.
struct Layer {
    name: String,
    attention_name: String,
    attention: SelfAttention,
    attention_output: Linear,
    attention_norm: LayerNorm,
    attention_dropout: Dropout,
    inner: Linear,
    activation: Activation,
    outer: Linear,
    norm: LayerNorm,
}

impl Layer {
    fn new(mut scope: Scope, config: &BertConfig) -> Result<Self> {
        let (size, inner) = (config.hidden_size, config.intermediate_size);
        let dropout = Dropout(config.attention_probs_dropout_prob);
        let names = ["query", "key", "value"];
        Ok(Self {
            attention: SelfAttention::new(scope.at("attention"), names, size, config.num_attention_heads, dropout)?,
            attention_name: scope.at("attention").module(),
            attention_output: Linear::new(scope.at("attention.dense"), size, size)?,
            attention_norm: LayerNorm::new(scope.at("attention.LayerNorm"), size, config.layer_norm_eps)?,
            attention_dropout: Dropout(config.hidden_dropout_prob),
            inner: Linear::new(scope.at("ffn"), size, inner)?,
            activation: config.hidden_act,
            outer: Linear::new(scope.at("ffn_output"), inner, size)?,
            norm: LayerNorm::new(scope.at("full_layer_layer_norm"), size, config.layer_norm_eps)?,
            name: scope.module(),
        })
    }

    /// The layer's output, of the shape of `hidden`; `None` if only its attention probabilities are needed.
    fn forward(&self, hidden: &Tensor, bias: Option<&Tensor>, pass: &mut Pass) -> Result<Option<Tensor>> {
        let Some(context) = self.attention.forward(hidden, bias, pass)? else { return Ok(None) };
        let projected = self.attention_dropout.forward(self.attention_output.forward(&context)?, pass)?;
        let attended = self.attention_norm.forward(&projected.f_add(hidden)?)?;
        pass.module(&self.attention_name, &attended);
        let inner = self.activation.forward(&self.inner.forward(&attended)?)?;
        let output = self.norm.forward(&self.outer.forward(&inner)?.f_add(&attended)?)?;
        pass.module(&self.name, &output);
        Ok(Some(output))
    }
}
