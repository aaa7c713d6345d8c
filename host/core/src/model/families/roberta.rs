//! RoBERTa (Liu et al., arXiv:1907.11692), and XLM-RoBERTa and CamemBERT, which are the same network. Its layers are BERT's;
//! its positions count from the padding token's id, and its head for whole examples has no pooler.

use super::bert::{Bert, BertConfig};
use super::{Architecture, Family, Network, Size};
use crate::model::ModelError;
use crate::model::builder::Builder;
use crate::model::heads::{self, Head, Pooling, Transform};
use crate::model::huggingface::ModelConfig;
use crate::model::layers::{Activation, Dropout, EmbeddingsSpec, LayerNorm, Linear};
use crate::{Result, Task};

const fn family(model_type: &'static str) -> Family {
    Family {
        model_type,
        body: "roberta.",
        pooler: "roberta.pooler.",
        unused: &[],
        layers: Some("roberta.encoder.layer."),
        num_layers: "num_hidden_layers",
        layer_type: None,
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
pub(super) static ARCHITECTURES: [Architecture; 12] = [
    Architecture { name: "RobertaForSequenceClassification", family: &ROBERTA, build: sequence_classification },
    Architecture { name: "RobertaForTokenClassification", family: &ROBERTA, build: token_classification },
    Architecture { name: "RobertaForQuestionAnswering", family: &ROBERTA, build: question_answering },
    Architecture { name: "RobertaForMaskedLM", family: &ROBERTA, build: masked_lm },
    Architecture { name: "XLMRobertaForSequenceClassification", family: &XLM_ROBERTA, build: sequence_classification },
    Architecture { name: "XLMRobertaForTokenClassification", family: &XLM_ROBERTA, build: token_classification },
    Architecture { name: "XLMRobertaForQuestionAnswering", family: &XLM_ROBERTA, build: question_answering },
    Architecture { name: "XLMRobertaForMaskedLM", family: &XLM_ROBERTA, build: masked_lm },
    Architecture { name: "CamembertForSequenceClassification", family: &CAMEMBERT, build: sequence_classification },
    Architecture { name: "CamembertForTokenClassification", family: &CAMEMBERT, build: token_classification },
    Architecture { name: "CamembertForQuestionAnswering", family: &CAMEMBERT, build: question_answering },
    Architecture { name: "CamembertForMaskedLM", family: &CAMEMBERT, build: masked_lm },
];

fn sequence_classification(config: &ModelConfig, builder: &mut Builder) -> Result<Network> {
    let (roberta, padding) = read(config)?;
    let task = config.sequence_task()?;
    let body = body(&roberta, builder)?;
    let size = roberta.hidden_size;
    let head = Head {
        pooling: Some(Pooling::First),
        before: roberta.head_dropout(),
        pooler: None,
        transform: Some(Transform {
            dense: Linear::new(builder.at("classifier.dense"), size, size)?,
            activation: Activation::Tanh,
            norm: None,
        }),
        after: roberta.head_dropout(),
        output: Linear::new(builder.at("classifier.out_proj"), size, task.num_outputs())?,
    };
    Ok(Network { spec: roberta.spec(max_length(&roberta, padding), task), body: Box::new(body), head })
}

fn token_classification(config: &ModelConfig, builder: &mut Builder) -> Result<Network> {
    let (roberta, padding) = read(config)?;
    let task = config.token_task()?;
    let body = body(&roberta, builder)?;
    let output = Linear::new(builder.at("classifier"), roberta.hidden_size, task.num_outputs())?;
    let head = Head::tokens(roberta.head_dropout(), output);
    Ok(Network { spec: roberta.spec(max_length(&roberta, padding), task), body: Box::new(body), head })
}

fn question_answering(config: &ModelConfig, builder: &mut Builder) -> Result<Network> {
    let (roberta, padding) = read(config)?;
    let body = body(&roberta, builder)?;
    let output = Linear::new(builder.at("qa_outputs"), roberta.hidden_size, Task::Spans.num_outputs())?;
    let head = Head::tokens(Dropout::NONE, output);
    Ok(Network { spec: roberta.spec(max_length(&roberta, padding), Task::Spans), body: Box::new(body), head })
}

fn masked_lm(config: &ModelConfig, builder: &mut Builder) -> Result<Network> {
    let (roberta, padding) = read(config)?;
    let body = body(&roberta, builder)?;
    let (size, vocab_size) = (roberta.hidden_size, roberta.vocab_size);
    let mut scope = builder.at("lm_head");
    let words = config.ties_words()?.then_some("roberta.embeddings.word_embeddings.weight");
    let transform = Transform {
        dense: Linear::new(scope.at("dense"), size, size)?,
        // Whatever `hidden_act` is.
        activation: Activation::Gelu,
        norm: Some(LayerNorm::new(scope.at("layer_norm"), size, roberta.layer_norm_eps)?),
    };
    let head = Head::words(transform, heads::decoder(scope, words, size, vocab_size)?);
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

fn body(config: &BertConfig, builder: &mut Builder) -> Result<Bert> {
    let embeddings = EmbeddingsSpec { counts_from_padding: true, ..config.embeddings(config.hidden_size) };
    Bert::new("roberta", config, &embeddings, builder)
}
