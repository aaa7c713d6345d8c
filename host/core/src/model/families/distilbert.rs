//! DistilBERT (Sanh et al., arXiv:1910.01108), as transformers computes it: BERT without token types and without a pooler.

use serde::Deserialize;
use tch::Tensor;

use super::{Architecture, Body, Family, Network, Size, defaults};
use crate::model::builder::{Builder, Scope};
use crate::model::heads::{Head, Pooling, Transform};
use crate::model::huggingface::ModelConfig;
use crate::model::inputs::Inputs;
use crate::model::layers::{
    Activation, Dropout, Embeddings, EmbeddingsSpec, LayerNorm, Linear, SelfAttention, padding_bias,
};
use crate::model::{InputSpec, ModelError, ModelSpec, Pass};
use crate::{Result, Task};

static FAMILY: Family = Family {
    model_type: "distilbert",
    body: "distilbert.",
    pooler: "distilbert.pooler.",
    unused: &[],
    layers: Some("distilbert.transformer.layer."),
    num_layers: "n_layers",
    layer_type: None,
    sizes: &[
        Size { key: "vocab_size", tensor: "distilbert.embeddings.word_embeddings.weight", dim: 0 },
        Size { key: "dim", tensor: "distilbert.embeddings.word_embeddings.weight", dim: 1 },
        Size { key: "max_position_embeddings", tensor: "distilbert.embeddings.position_embeddings.weight", dim: 0 },
        Size { key: "hidden_dim", tensor: "distilbert.transformer.layer.0.ffn.lin1.weight", dim: 0 },
    ],
};

pub(super) static ARCHITECTURES: [Architecture; 4] = [
    Architecture { name: "DistilBertForSequenceClassification", family: &FAMILY, build: sequence_classification },
    Architecture { name: "DistilBertForTokenClassification", family: &FAMILY, build: token_classification },
    Architecture { name: "DistilBertForQuestionAnswering", family: &FAMILY, build: question_answering },
    Architecture { name: "DistilBertForMaskedLM", family: &FAMILY, build: masked_lm },
];

fn sequence_classification(config: &ModelConfig, builder: &mut Builder) -> Result<Network> {
    let distilbert = DistilBertConfig::new(config)?;
    let task = config.sequence_task()?;
    let body = DistilBert::new(&distilbert, builder)?;
    let head = Head {
        pooling: Some(Pooling::First),
        before: Dropout::NONE,
        pooler: None,
        transform: Some(Transform {
            dense: Linear::new(builder.at("pre_classifier"), distilbert.dim, distilbert.dim)?,
            activation: Activation::Relu,
            norm: None,
        }),
        after: Dropout(distilbert.seq_classif_dropout),
        output: Linear::new(builder.at("classifier"), distilbert.dim, task.num_outputs())?,
    };
    Ok(Network { spec: distilbert.spec(task), body: Box::new(body), head })
}

fn token_classification(config: &ModelConfig, builder: &mut Builder) -> Result<Network> {
    let distilbert = DistilBertConfig::new(config)?;
    let task = config.token_task()?;
    let body = DistilBert::new(&distilbert, builder)?;
    let output = Linear::new(builder.at("classifier"), distilbert.dim, task.num_outputs())?;
    let head = Head::tokens(Dropout(distilbert.dropout), output);
    Ok(Network { spec: distilbert.spec(task), body: Box::new(body), head })
}

fn question_answering(config: &ModelConfig, builder: &mut Builder) -> Result<Network> {
    let distilbert = DistilBertConfig::new(config)?;
    let body = DistilBert::new(&distilbert, builder)?;
    let output = Linear::new(builder.at("qa_outputs"), distilbert.dim, Task::Spans.num_outputs())?;
    let head = Head::tokens(Dropout(distilbert.qa_dropout), output);
    Ok(Network { spec: distilbert.spec(Task::Spans), body: Box::new(body), head })
}

fn masked_lm(config: &ModelConfig, builder: &mut Builder) -> Result<Network> {
    let distilbert = DistilBertConfig::new(config)?;
    let (size, vocab_size) = (distilbert.dim, distilbert.vocab_size);
    let body = DistilBert::new(&distilbert, builder)?;
    let words = config.ties_words()?.then_some("distilbert.embeddings.word_embeddings.weight");
    let transform = Transform {
        dense: Linear::new(builder.at("vocab_transform"), size, size)?,
        activation: distilbert.activation,
        norm: Some(LayerNorm::new(builder.at("vocab_layer_norm"), size, LAYER_NORM_EPSILON)?),
    };
    let head = Head::words(transform, Linear::to_words(builder.at("vocab_projector"), words, size, vocab_size)?);
    Ok(Network { spec: distilbert.spec(Task::MaskedLm { vocab_size }), body: Box::new(body), head })
}

/// What DistilBERT reads of its `config.json`. Keys with a default are those that transformers fills in, too; the sizes of
/// the model are never guessed.
#[derive(Debug, Deserialize)]
struct DistilBertConfig {
    vocab_size: i64,
    dim: i64,
    n_layers: i64,
    n_heads: i64,
    hidden_dim: i64,
    #[serde(default = "defaults::activation")]
    activation: Activation,
    #[serde(default = "defaults::dropout")]
    dropout: f64,
    #[serde(default = "defaults::dropout")]
    attention_dropout: f64,
    #[serde(default = "default_head_dropout")]
    seq_classif_dropout: f64,
    #[serde(default = "defaults::dropout")]
    qa_dropout: f64,
    #[serde(default = "defaults::positions")]
    max_position_embeddings: i64,
    #[serde(default = "defaults::initializer_range")]
    initializer_range: f64,
    #[serde(default = "defaults::padding")]
    pad_token_id: Option<i64>,
    #[serde(default)]
    sinusoidal_pos_embds: bool,
}

fn default_head_dropout() -> f64 {
    0.2
}

/// It is no key of the config.
const LAYER_NORM_EPSILON: f64 = 1e-12;

impl DistilBertConfig {
    /// Reads and checks the keys.
    fn new(config: &ModelConfig) -> Result<Self, ModelError> {
        super::checked(config, Self::check)
    }

    fn check(&self) -> Result<(), String> {
        super::check_sizes(&[
            ("vocab_size", self.vocab_size),
            ("dim", self.dim),
            ("n_layers", self.n_layers),
            ("n_heads", self.n_heads),
            ("hidden_dim", self.hidden_dim),
            ("max_position_embeddings", self.max_position_embeddings),
        ])?;
        super::check_heads(("dim", self.dim), ("n_heads", self.n_heads))?;
        super::check_probabilities(&[
            ("dropout", Some(self.dropout)),
            ("attention_dropout", Some(self.attention_dropout)),
            ("seq_classif_dropout", Some(self.seq_classif_dropout)),
            ("qa_dropout", Some(self.qa_dropout)),
        ])?;
        super::check_not_negative(&[("initializer_range", self.initializer_range)])?;
        super::check_padding(self.pad_token_id, self.vocab_size)?;
        match self.sinusoidal_pos_embds {
            true => Err("`sinusoidal_pos_embds` is true; only learnt positions are supported".to_owned()),
            false => Ok(()),
        }
    }

    fn spec(&self, task: Task) -> ModelSpec {
        ModelSpec {
            architecture: String::new(),
            inputs: InputSpec::of_text(
                self.vocab_size,
                None,
                self.max_position_embeddings,
                self.pad_token_id.unwrap_or(0),
            ),
            task,
            num_layers: Some(self.n_layers as usize),
            hidden_size: Some(self.dim),
            num_attention_heads: Some(self.n_heads),
        }
    }
}

struct DistilBert {
    embeddings: Embeddings,
    layers: Vec<Layer>,
}

impl DistilBert {
    fn new(config: &DistilBertConfig, builder: &mut Builder) -> Result<Self> {
        builder.initializer_range = config.initializer_range;
        let embeddings = EmbeddingsSpec {
            vocab_size: config.vocab_size,
            num_positions: config.max_position_embeddings,
            num_token_types: None,
            size: config.dim,
            padding: config.pad_token_id,
            counts_from_padding: false,
            epsilon: LAYER_NORM_EPSILON,
            dropout: config.dropout,
        };
        let embeddings = Embeddings::new(builder.at("distilbert.embeddings"), &embeddings)?;
        let mut scope = builder.at("distilbert.transformer.layer");
        let layers = (0..config.n_layers).map(|index| Layer::new(scope.at(index), config));
        Ok(Self { embeddings, layers: layers.collect::<Result<_>>()? })
    }
}

impl Body for DistilBert {
    fn forward(&self, inputs: &Inputs, pass: &mut Pass) -> Result<Option<Tensor>> {
        let embedded = self.embeddings.forward(inputs, pass)?;
        let bias = inputs.mask.as_ref().map(|mask| padding_bias(mask, embedded.f_kind()?)).transpose()?;
        pass.layers(embedded, |index, hidden, pass| self.layers[index].forward(hidden, bias.as_ref(), pass))
    }
}

struct Layer {
    name: String,
    attention_name: String,
    attention: SelfAttention,
    attention_output: Linear,
    attention_norm: LayerNorm,
    feed_forward_name: String,
    inner: Linear,
    activation: Activation,
    outer: Linear,
    dropout: Dropout,
    output_norm: LayerNorm,
}

impl Layer {
    fn new(mut scope: Scope, config: &DistilBertConfig) -> Result<Self> {
        let (size, inner) = (config.dim, config.hidden_dim);
        let (names, dropout) = (["q_lin", "k_lin", "v_lin"], Dropout(config.attention_dropout));
        Ok(Self {
            attention: SelfAttention::new(scope.at("attention"), names, size, config.n_heads, dropout)?,
            attention_name: scope.at("attention").module(),
            attention_output: Linear::new(scope.at("attention.out_lin"), size, size)?,
            attention_norm: LayerNorm::new(scope.at("sa_layer_norm"), size, LAYER_NORM_EPSILON)?,
            feed_forward_name: scope.at("ffn").module(),
            inner: Linear::new(scope.at("ffn.lin1"), size, inner)?,
            activation: config.activation,
            outer: Linear::new(scope.at("ffn.lin2"), inner, size)?,
            dropout: Dropout(config.dropout),
            output_norm: LayerNorm::new(scope.at("output_layer_norm"), size, LAYER_NORM_EPSILON)?,
            name: scope.module(),
        })
    }

    /// The layer's output, of the shape of `hidden`; `None` if only its attention probabilities are needed.
    fn forward(&self, hidden: &Tensor, bias: Option<&Tensor>, pass: &mut Pass) -> Result<Option<Tensor>> {
        let Some(context) = self.attention.forward(hidden, bias, pass)? else { return Ok(None) };
        let attended = self.attention_output.forward(&context)?;
        pass.module(&self.attention_name, &attended);
        let attended = self.attention_norm.forward(&attended.f_add(hidden)?)?;
        let inner = self.activation.forward(&self.inner.forward(&attended)?)?;
        let outer = self.dropout.forward(self.outer.forward(&inner)?, pass)?;
        pass.module(&self.feed_forward_name, &outer);
        let output = self.output_norm.forward(&outer.f_add(&attended)?)?;
        pass.module(&self.name, &output);
        Ok(Some(output))
    }
}
