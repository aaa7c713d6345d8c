//! BERT (Devlin et al., arXiv:1810.04805), as transformers computes it. Its layers are those of RoBERTa, too.

use serde::Deserialize;
use tch::Tensor;

use super::{Architecture, Body, Family, Network, Size, defaults};
use crate::model::builder::{Builder, Scope};
use crate::model::heads::{self, Head, Pooling, Transform};
use crate::model::huggingface::ModelConfig;
use crate::model::inputs::Inputs;
use crate::model::layers::{
    Activation, AfterAttention, AfterAttentionSpec, Dropout, Embeddings, EmbeddingsSpec, LayerNorm, Linear,
    SelfAttention, padding_bias,
};
use crate::model::{InputSpec, ModelError, ModelSpec, Pass};
use crate::{Result, Task};

static FAMILY: Family = Family {
    model_type: "bert",
    body: "bert.",
    pooler: "bert.pooler.",
    // Next-sentence prediction, with which BERT was pre-trained.
    unused: &["cls.seq_relationship."],
    layers: Some("bert.encoder.layer."),
    num_layers: "num_hidden_layers",
    layer_type: None,
    sizes: &[
        Size { key: "vocab_size", tensor: "bert.embeddings.word_embeddings.weight", dim: 0 },
        Size { key: "hidden_size", tensor: "bert.embeddings.word_embeddings.weight", dim: 1 },
        Size { key: "max_position_embeddings", tensor: "bert.embeddings.position_embeddings.weight", dim: 0 },
        Size { key: "type_vocab_size", tensor: "bert.embeddings.token_type_embeddings.weight", dim: 0 },
        Size { key: "intermediate_size", tensor: "bert.encoder.layer.0.intermediate.dense.weight", dim: 0 },
    ],
};

pub(super) static ARCHITECTURES: [Architecture; 4] = [
    Architecture { name: "BertForSequenceClassification", family: &FAMILY, build: sequence_classification },
    Architecture { name: "BertForTokenClassification", family: &FAMILY, build: token_classification },
    Architecture { name: "BertForQuestionAnswering", family: &FAMILY, build: question_answering },
    Architecture { name: "BertForMaskedLM", family: &FAMILY, build: masked_lm },
];

fn sequence_classification(config: &ModelConfig, builder: &mut Builder) -> Result<Network> {
    let bert = BertConfig::new(config)?;
    let task = config.sequence_task()?;
    let body = Bert::new("bert", &bert, &bert.embeddings(bert.hidden_size), builder)?;
    let mut pooler = builder.at("bert.pooler");
    let head = Head {
        pooling: Some(Pooling::First),
        before: Dropout::NONE,
        pooler: Some(pooler.module()),
        transform: Some(Transform {
            dense: Linear::new(pooler.at("dense"), bert.hidden_size, bert.hidden_size)?,
            activation: Activation::Tanh,
            norm: None,
        }),
        after: bert.head_dropout(),
        output: Linear::new(builder.at("classifier"), bert.hidden_size, task.num_outputs())?,
    };
    Ok(Network { spec: bert.spec(bert.max_position_embeddings, task), body: Box::new(body), head })
}

fn token_classification(config: &ModelConfig, builder: &mut Builder) -> Result<Network> {
    let bert = BertConfig::new(config)?;
    let task = config.token_task()?;
    let body = Bert::new("bert", &bert, &bert.embeddings(bert.hidden_size), builder)?;
    let output = Linear::new(builder.at("classifier"), bert.hidden_size, task.num_outputs())?;
    let head = Head::tokens(bert.head_dropout(), output);
    Ok(Network { spec: bert.spec(bert.max_position_embeddings, task), body: Box::new(body), head })
}

fn question_answering(config: &ModelConfig, builder: &mut Builder) -> Result<Network> {
    let bert = BertConfig::new(config)?;
    let body = Bert::new("bert", &bert, &bert.embeddings(bert.hidden_size), builder)?;
    let output = Linear::new(builder.at("qa_outputs"), bert.hidden_size, Task::Spans.num_outputs())?;
    let head = Head::tokens(Dropout::NONE, output);
    Ok(Network { spec: bert.spec(bert.max_position_embeddings, Task::Spans), body: Box::new(body), head })
}

fn masked_lm(config: &ModelConfig, builder: &mut Builder) -> Result<Network> {
    let bert = BertConfig::new(config)?;
    let body = Bert::new("bert", &bert, &bert.embeddings(bert.hidden_size), builder)?;
    let mut scope = builder.at("cls.predictions");
    let words = config.ties_words()?.then_some("bert.embeddings.word_embeddings.weight");
    let transform = Transform {
        dense: Linear::new(scope.at("transform.dense"), bert.hidden_size, bert.hidden_size)?,
        activation: bert.hidden_act,
        norm: Some(LayerNorm::new(scope.at("transform.LayerNorm"), bert.hidden_size, bert.layer_norm_eps)?),
    };
    let head = Head::words(transform, heads::decoder(scope, words, bert.hidden_size, bert.vocab_size)?);
    let task = Task::MaskedLm { vocab_size: bert.vocab_size };
    Ok(Network { spec: bert.spec(bert.max_position_embeddings, task), body: Box::new(body), head })
}

/// What BERT reads of its `config.json`. Keys with a default are those that transformers fills in, too; the sizes of
/// the model are never guessed.
#[derive(Debug, Deserialize)]
pub(super) struct BertConfig {
    pub vocab_size: i64,
    pub hidden_size: i64,
    pub num_hidden_layers: i64,
    pub num_attention_heads: i64,
    pub intermediate_size: i64,
    #[serde(default = "defaults::activation")]
    pub hidden_act: Activation,
    #[serde(default = "defaults::dropout")]
    pub hidden_dropout_prob: f64,
    #[serde(default = "defaults::dropout")]
    pub attention_probs_dropout_prob: f64,
    pub classifier_dropout: Option<f64>,
    #[serde(default = "defaults::positions")]
    pub max_position_embeddings: i64,
    #[serde(default = "default_types")]
    pub type_vocab_size: i64,
    #[serde(default = "defaults::initializer_range")]
    pub initializer_range: f64,
    #[serde(default = "defaults::layer_norm_eps")]
    pub layer_norm_eps: f64,
    #[serde(default = "defaults::padding")]
    pub pad_token_id: Option<i64>,
    #[serde(default)]
    is_decoder: bool,
    #[serde(default)]
    add_cross_attention: bool,
    position_embedding_type: Option<String>,
}

fn default_types() -> i64 {
    2
}

impl BertConfig {
    /// Reads and checks the keys.
    pub fn new(config: &ModelConfig) -> Result<Self, ModelError> {
        super::checked(config, Self::check)
    }

    fn check(&self) -> Result<(), String> {
        super::check_sizes(&[
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_attention_heads", self.num_attention_heads),
            ("intermediate_size", self.intermediate_size),
            ("max_position_embeddings", self.max_position_embeddings),
            ("type_vocab_size", self.type_vocab_size),
        ])?;
        super::check_heads(("hidden_size", self.hidden_size), ("num_attention_heads", self.num_attention_heads))?;
        super::check_probabilities(&[
            ("hidden_dropout_prob", Some(self.hidden_dropout_prob)),
            ("attention_probs_dropout_prob", Some(self.attention_probs_dropout_prob)),
            ("classifier_dropout", self.classifier_dropout),
        ])?;
        super::check_not_negative(&[
            ("initializer_range", self.initializer_range),
            ("layer_norm_eps", self.layer_norm_eps),
        ])?;
        super::check_padding(self.pad_token_id, self.vocab_size)?;
        if self.is_decoder || self.add_cross_attention {
            return Err("`is_decoder` or `add_cross_attention` is true; only encoders are supported".to_owned());
        }
        match self.position_embedding_type.as_deref() {
            None | Some("absolute") => Ok(()),
            Some(other) => Err(format!("`position_embedding_type` is `{other}`; only `absolute` is supported")),
        }
    }

    /// Embeddings of vectors of `size`, whose positions count from 0.
    pub fn embeddings(&self, size: i64) -> EmbeddingsSpec {
        EmbeddingsSpec {
            vocab_size: self.vocab_size,
            num_positions: self.max_position_embeddings,
            num_token_types: Some(self.type_vocab_size),
            size,
            padding: self.pad_token_id,
            counts_from_padding: false,
            epsilon: self.layer_norm_eps,
            dropout: self.hidden_dropout_prob,
        }
    }

    pub fn head_dropout(&self) -> Dropout {
        Dropout(self.classifier_dropout.unwrap_or(self.hidden_dropout_prob))
    }

    pub fn spec(&self, max_length: i64, task: Task) -> ModelSpec {
        ModelSpec {
            architecture: String::new(),
            inputs: InputSpec::of_text(
                self.vocab_size,
                Some(self.type_vocab_size),
                max_length,
                self.pad_token_id.unwrap_or(0),
            ),
            task,
            num_layers: Some(self.num_hidden_layers as usize),
            hidden_size: Some(self.hidden_size),
            num_attention_heads: Some(self.num_attention_heads),
        }
    }
}

/// The body of BERT, and of RoBERTa.
pub(super) struct Bert {
    embeddings: Embeddings,
    encoder: Encoder,
}

impl Bert {
    /// The body whose parameters stand below `at`.
    pub fn new(at: &str, config: &BertConfig, embeddings: &EmbeddingsSpec, builder: &mut Builder) -> Result<Self> {
        builder.initializer_range = config.initializer_range;
        let mut scope = builder.at(at);
        Ok(Self {
            embeddings: Embeddings::new(scope.at("embeddings"), embeddings)?,
            encoder: Encoder::new(scope.at("encoder"), config)?,
        })
    }
}

impl Body for Bert {
    fn forward(&self, inputs: &Inputs, pass: &mut Pass) -> Result<Option<Tensor>> {
        let embedded = self.embeddings.forward(inputs, pass)?;
        self.encoder.forward(embedded, inputs.mask.as_ref(), pass)
    }
}

/// BERT's layers.
pub(super) struct Encoder {
    layers: Vec<Layer>,
}

impl Encoder {
    pub fn new(mut scope: Scope, config: &BertConfig) -> Result<Self> {
        let mut scope = scope.at("layer");
        let layers = (0..config.num_hidden_layers).map(|index| Layer::new(scope.at(index), config));
        Ok(Self { layers: layers.collect::<Result<_>>()? })
    }

    /// From the embeddings' output `[batch, length, hidden]` and the mask `[batch, length]`, 0 for padding, the last
    /// layer's output; `None` where it is not needed.
    pub fn forward(&self, embedded: Tensor, mask: Option<&Tensor>, pass: &mut Pass) -> Result<Option<Tensor>> {
        let bias = mask.map(|mask| padding_bias(mask, embedded.f_kind()?)).transpose()?;
        pass.layers(embedded, |index, hidden, pass| self.layers[index].forward(hidden, bias.as_ref(), pass))
    }
}

struct Layer {
    attention: SelfAttention,
    rest: AfterAttention,
}

impl Layer {
    fn new(mut scope: Scope, config: &BertConfig) -> Result<Self> {
        let (size, heads) = (config.hidden_size, config.num_attention_heads);
        let (names, dropout) = (["query", "key", "value"], Dropout(config.attention_probs_dropout_prob));
        let rest = AfterAttentionSpec {
            hidden_size: size,
            intermediate_size: config.intermediate_size,
            activation: config.hidden_act,
            layer_norm_eps: config.layer_norm_eps,
            dropout: config.hidden_dropout_prob,
        };
        Ok(Self {
            attention: SelfAttention::new(scope.at("attention.self"), names, size, heads, dropout)?,
            rest: AfterAttention::new(scope, &rest)?,
        })
    }

    /// The layer's output, of the shape of `hidden`; `None` if only its attention probabilities are needed.
    fn forward(&self, hidden: &Tensor, bias: Option<&Tensor>, pass: &mut Pass) -> Result<Option<Tensor>> {
        let Some(context) = self.attention.forward(hidden, bias, pass)? else { return Ok(None) };
        self.rest.forward(&context, hidden, pass).map(Some)
    }
}
