//! ELECTRA (Clark et al., arXiv:2003.10555), as transformers computes it: BERT with embeddings of a size of their own.

use serde::Deserialize;
use tch::Tensor;

use super::bert::{BertConfig, Encoder};
use super::{Architecture, Body, Family, Network, Size};
use crate::model::builder::Builder;
use crate::model::heads::{Head, Pooling, Transform};
use crate::model::huggingface::ModelConfig;
use crate::model::inputs::Inputs;
use crate::model::layers::{Activation, Dropout, Embeddings, LayerNorm, Linear};
use crate::model::{ModelError, Pass};
use crate::{Result, Task};

static FAMILY: Family = Family {
    model_type: "electra",
    body: "electra.",
    pooler: "electra.pooler.",
    unused: &[],
    layers: Some("electra.encoder.layer."),
    num_layers: "num_hidden_layers",
    layer_type: None,
    sizes: &[
        Size { key: "vocab_size", tensor: WORDS, dim: 0 },
        Size { key: "embedding_size", tensor: WORDS, dim: 1 },
        Size { key: "hidden_size", tensor: "electra.encoder.layer.0.attention.self.query.weight", dim: 0 },
        Size { key: "max_position_embeddings", tensor: "electra.embeddings.position_embeddings.weight", dim: 0 },
        Size { key: "type_vocab_size", tensor: "electra.embeddings.token_type_embeddings.weight", dim: 0 },
        Size { key: "intermediate_size", tensor: "electra.encoder.layer.0.intermediate.dense.weight", dim: 0 },
    ],
};

const WORDS: &str = "electra.embeddings.word_embeddings.weight";

pub(super) static ARCHITECTURES: [Architecture; 4] = [
    Architecture { name: "ElectraForSequenceClassification", family: &FAMILY, build: sequence_classification },
    Architecture { name: "ElectraForTokenClassification", family: &FAMILY, build: token_classification },
    Architecture { name: "ElectraForQuestionAnswering", family: &FAMILY, build: question_answering },
    Architecture { name: "ElectraForMaskedLM", family: &FAMILY, build: masked_lm },
];

fn sequence_classification(config: &ModelConfig, builder: &mut Builder) -> Result<Network> {
    let (electra, embedding_size) = read(config)?;
    let task = config.sequence_task()?;
    let body = Electra::new(&electra, embedding_size, builder)?;
    let size = electra.hidden_size;
    let head = Head {
        pooling: Some(Pooling::First),
        before: electra.head_dropout(),
        pooler: None,
        transform: Some(Transform {
            dense: Linear::new(builder.at("classifier.dense"), size, size)?,
            // Whatever `hidden_act` is, here and over the vocabulary.
            activation: Activation::Gelu,
            norm: None,
        }),
        after: electra.head_dropout(),
        output: Linear::new(builder.at("classifier.out_proj"), size, task.num_outputs())?,
    };
    Ok(Network { spec: electra.spec(electra.max_position_embeddings, task), body: Box::new(body), head })
}

fn token_classification(config: &ModelConfig, builder: &mut Builder) -> Result<Network> {
    let (electra, embedding_size) = read(config)?;
    let task = config.token_task()?;
    let body = Electra::new(&electra, embedding_size, builder)?;
    let output = Linear::new(builder.at("classifier"), electra.hidden_size, task.num_outputs())?;
    let head = Head::tokens(electra.head_dropout(), output);
    Ok(Network { spec: electra.spec(electra.max_position_embeddings, task), body: Box::new(body), head })
}

fn question_answering(config: &ModelConfig, builder: &mut Builder) -> Result<Network> {
    let (electra, embedding_size) = read(config)?;
    let body = Electra::new(&electra, embedding_size, builder)?;
    let output = Linear::new(builder.at("qa_outputs"), electra.hidden_size, Task::Spans.num_outputs())?;
    let head = Head::tokens(Dropout::NONE, output);
    Ok(Network { spec: electra.spec(electra.max_position_embeddings, Task::Spans), body: Box::new(body), head })
}

/// The generator of the pair that ELECTRA is trained as.
fn masked_lm(config: &ModelConfig, builder: &mut Builder) -> Result<Network> {
    let (electra, embedding_size) = read(config)?;
    let vocab_size = electra.vocab_size;
    let body = Electra::new(&electra, embedding_size, builder)?;
    let words = config.ties_words()?.then_some(WORDS);
    let mut scope = builder.at("generator_predictions");
    let transform = Transform {
        dense: Linear::new(scope.at("dense"), electra.hidden_size, embedding_size)?,
        activation: Activation::Gelu,
        norm: Some(LayerNorm::new(scope.at("LayerNorm"), embedding_size, electra.layer_norm_eps)?),
    };
    let head =
        Head::words(transform, Linear::to_words(builder.at("generator_lm_head"), words, embedding_size, vocab_size)?);
    let spec = electra.spec(electra.max_position_embeddings, Task::MaskedLm { vocab_size });
    Ok(Network { spec, body: Box::new(body), head })
}

/// Reads the keys, which are BERT's, and the size of the embeddings.
fn read(config: &ModelConfig) -> Result<(BertConfig, i64), ModelError> {
    #[derive(Deserialize)]
    struct Own {
        embedding_size: i64,
    }

    let electra = BertConfig::new(config)?;
    let Own { embedding_size } = config.parse()?;
    super::check_sizes(&[("embedding_size", embedding_size)]).map_err(|reason| config.invalid(reason))?;
    Ok((electra, embedding_size))
}

struct Electra {
    embeddings: Embeddings,
    /// From the size of the embeddings to that of the layers, where they differ.
    projection: Option<Linear>,
    encoder: Encoder,
}

impl Electra {
    fn new(config: &BertConfig, embedding_size: i64, builder: &mut Builder) -> Result<Self> {
        builder.initializer_range = config.initializer_range;
        let embeddings = Embeddings::new(builder.at("electra.embeddings"), &config.embeddings(embedding_size))?;
        let projection = match config.hidden_size {
            size if size == embedding_size => None,
            size => Some(Linear::new(builder.at("electra.embeddings_project"), embedding_size, size)?),
        };
        Ok(Self { embeddings, projection, encoder: Encoder::new(builder.at("electra.encoder"), config)? })
    }
}

impl Body for Electra {
    fn forward(&self, inputs: &Inputs, pass: &mut Pass) -> Result<Option<Tensor>> {
        let mut embedded = self.embeddings.forward(inputs, pass)?;
        if let Some(projection) = &self.projection {
            embedded = projection.forward(&embedded)?;
        }
        self.encoder.forward(embedded, inputs.mask.as_ref(), pass)
    }
}
