//! MPNet (Song et al., arXiv:2004.09297), as transformers computes it: BERT whose attention also looks at how far apart two
//! tokens are. Positions count from the padding token's id, as RoBERTa's do, and there are no token types.

use serde::Deserialize;
use tch::{Device, Kind, Tensor};

use super::{Architecture, Body, Family, Network, Size, defaults};
use crate::model::builder::{Builder, Scope};
use crate::model::heads::{self, Head, Pooling, Transform};
use crate::model::huggingface::ModelConfig;
use crate::model::inputs::Inputs;
use crate::model::layers::{
    Activation, Dropout, Embedding, Embeddings, EmbeddingsSpec, LayerNorm, Linear, SelfAttention, padding_bias,
};
use crate::model::{InputSpec, ModelError, ModelSpec, Pass};
use crate::{Result, Task};

static FAMILY: Family = Family {
    model_type: "mpnet",
    body: "mpnet.",
    pooler: "mpnet.pooler.",
    unused: &[],
    layers: Some("mpnet.encoder.layer."),
    num_layers: "num_hidden_layers",
    layer_type: None,
    sizes: &[
        Size { key: "vocab_size", tensor: "mpnet.embeddings.word_embeddings.weight", dim: 0 },
        Size { key: "hidden_size", tensor: "mpnet.embeddings.word_embeddings.weight", dim: 1 },
        Size { key: "max_position_embeddings", tensor: "mpnet.embeddings.position_embeddings.weight", dim: 0 },
        Size { key: "intermediate_size", tensor: "mpnet.encoder.layer.0.intermediate.dense.weight", dim: 0 },
        Size { key: "relative_attention_num_buckets", tensor: "mpnet.encoder.relative_attention_bias.weight", dim: 0 },
    ],
};

pub(super) static ARCHITECTURES: [Architecture; 4] = [
    Architecture { name: "MPNetForSequenceClassification", family: &FAMILY, build: sequence_classification },
    Architecture { name: "MPNetForTokenClassification", family: &FAMILY, build: token_classification },
    Architecture { name: "MPNetForQuestionAnswering", family: &FAMILY, build: question_answering },
    Architecture { name: "MPNetForMaskedLM", family: &FAMILY, build: masked_lm },
];

fn sequence_classification(config: &ModelConfig, builder: &mut Builder) -> Result<Network> {
    let mpnet = MpnetConfig::new(config)?;
    let task = config.sequence_task()?;
    let body = Mpnet::new(&mpnet, builder)?;
    let (size, dropout) = (mpnet.hidden_size, Dropout(mpnet.hidden_dropout_prob));
    let head = Head {
        pooling: Some(Pooling::First),
        before: dropout,
        pooler: None,
        transform: Some(Transform {
            dense: Linear::new(builder.at("classifier.dense"), size, size)?,
            activation: Activation::Tanh,
            norm: None,
        }),
        after: dropout,
        output: Linear::new(builder.at("classifier.out_proj"), size, task.num_outputs())?,
    };
    Ok(Network { spec: mpnet.spec(task), body: Box::new(body), head })
}

fn token_classification(config: &ModelConfig, builder: &mut Builder) -> Result<Network> {
    let mpnet = MpnetConfig::new(config)?;
    let task = config.token_task()?;
    let body = Mpnet::new(&mpnet, builder)?;
    let output = Linear::new(builder.at("classifier"), mpnet.hidden_size, task.num_outputs())?;
    let head = Head::tokens(Dropout(mpnet.hidden_dropout_prob), output);
    Ok(Network { spec: mpnet.spec(task), body: Box::new(body), head })
}

fn question_answering(config: &ModelConfig, builder: &mut Builder) -> Result<Network> {
    let mpnet = MpnetConfig::new(config)?;
    let body = Mpnet::new(&mpnet, builder)?;
    let output = Linear::new(builder.at("qa_outputs"), mpnet.hidden_size, Task::Spans.num_outputs())?;
    let head = Head::tokens(Dropout::NONE, output);
    Ok(Network { spec: mpnet.spec(Task::Spans), body: Box::new(body), head })
}

fn masked_lm(config: &ModelConfig, builder: &mut Builder) -> Result<Network> {
    let mpnet = MpnetConfig::new(config)?;
    let (size, vocab_size) = (mpnet.hidden_size, mpnet.vocab_size);
    let body = Mpnet::new(&mpnet, builder)?;
    let mut scope = builder.at("lm_head");
    let words = config.ties_words()?.then_some("mpnet.embeddings.word_embeddings.weight");
    let transform = Transform {
        dense: Linear::new(scope.at("dense"), size, size)?,
        // Whatever `hidden_act` is.
        activation: Activation::Gelu,
        norm: Some(LayerNorm::new(scope.at("layer_norm"), size, mpnet.layer_norm_eps)?),
    };
    let head = Head::words(transform, heads::decoder(scope, words, size, vocab_size)?);
    Ok(Network { spec: mpnet.spec(Task::MaskedLm { vocab_size }), body: Box::new(body), head })
}

/// What MPNet reads of its `config.json`. Keys with a default are those that transformers fills in, too; the sizes of the
/// model are never guessed.
#[derive(Debug, Deserialize)]
struct MpnetConfig {
    vocab_size: i64,
    hidden_size: i64,
    num_hidden_layers: i64,
    num_attention_heads: i64,
    intermediate_size: i64,
    #[serde(default = "defaults::activation")]
    hidden_act: Activation,
    #[serde(default = "defaults::dropout")]
    hidden_dropout_prob: f64,
    #[serde(default = "defaults::dropout")]
    attention_probs_dropout_prob: f64,
    #[serde(default = "defaults::positions")]
    max_position_embeddings: i64,
    #[serde(default = "default_buckets")]
    relative_attention_num_buckets: i64,
    #[serde(default = "defaults::initializer_range")]
    initializer_range: f64,
    #[serde(default = "defaults::layer_norm_eps")]
    layer_norm_eps: f64,
}

fn default_buckets() -> i64 {
    32
}

/// The id of the padding token, whatever the config says: transformers fixes it for embeddings and positions.
const PADDING: i64 = 1;

impl MpnetConfig {
    /// Reads and checks the keys.
    fn new(config: &ModelConfig) -> Result<Self, ModelError> {
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
        ])?;
        super::check_heads(("hidden_size", self.hidden_size), ("num_attention_heads", self.num_attention_heads))?;
        super::check_probabilities(&[
            ("hidden_dropout_prob", Some(self.hidden_dropout_prob)),
            ("attention_probs_dropout_prob", Some(self.attention_probs_dropout_prob)),
        ])?;
        super::check_not_negative(&[
            ("initializer_range", self.initializer_range),
            ("layer_norm_eps", self.layer_norm_eps),
        ])?;
        super::check_padding(Some(PADDING), self.vocab_size)?;
        if self.relative_attention_num_buckets < 4 {
            let found = self.relative_attention_num_buckets;
            return Err(format!("`relative_attention_num_buckets` is {found}; expected 4 or more"));
        }
        if self.max_length() < 1 {
            let found = self.max_position_embeddings;
            return Err(format!("`max_position_embeddings` is {found}; expected more than {}", PADDING + 1));
        }
        Ok(())
    }

    fn max_length(&self) -> i64 {
        self.max_position_embeddings - PADDING - 1
    }

    fn spec(&self, task: Task) -> ModelSpec {
        ModelSpec {
            architecture: String::new(),
            inputs: InputSpec::of_text(self.vocab_size, None, self.max_length(), PADDING),
            task,
            num_layers: Some(self.num_hidden_layers as usize),
            hidden_size: Some(self.hidden_size),
            num_attention_heads: Some(self.num_attention_heads),
        }
    }
}

struct Mpnet {
    embeddings: Embeddings,
    /// What is added to the scores of each head for each bucket of distances.
    distances: Embedding,
    num_buckets: i64,
    layers: Vec<Layer>,
}

impl Mpnet {
    fn new(config: &MpnetConfig, builder: &mut Builder) -> Result<Self> {
        builder.initializer_range = config.initializer_range;
        let embeddings = EmbeddingsSpec {
            vocab_size: config.vocab_size,
            num_positions: config.max_position_embeddings,
            num_token_types: None,
            size: config.hidden_size,
            padding: Some(PADDING),
            counts_from_padding: true,
            epsilon: config.layer_norm_eps,
            dropout: config.hidden_dropout_prob,
        };
        let embeddings = Embeddings::new(builder.at("mpnet.embeddings"), &embeddings)?;
        let num_buckets = config.relative_attention_num_buckets;
        let mut scope = builder.at("mpnet.encoder");
        let layers =
            (0..config.num_hidden_layers).map(|index| Layer::new(scope.at(format_args!("layer.{index}")), config));
        let layers = layers.collect::<Result<_>>()?;
        let distances =
            Embedding::new(scope.at("relative_attention_bias"), num_buckets, config.num_attention_heads, None)?;
        Ok(Self { embeddings, distances, num_buckets, layers })
    }

    /// What is added to attention scores, `[1 or batch, heads, length, length]`.
    fn bias(&self, inputs: &Inputs, kind: Kind, device: Device) -> Result<Tensor> {
        let buckets = buckets(inputs.length, self.num_buckets, device)?;
        let bias = self.distances.forward(&buckets)?.f_permute([2, 0, 1])?.f_unsqueeze(0)?;
        match &inputs.mask {
            Some(mask) => Ok(bias.f_add(&padding_bias(mask, kind)?)?),
            None => Ok(bias),
        }
    }
}

impl Body for Mpnet {
    fn forward(&self, inputs: &Inputs, pass: &mut Pass) -> Result<Option<Tensor>> {
        let embedded = self.embeddings.forward(inputs, pass)?;
        let bias = self.bias(inputs, embedded.f_kind()?, embedded.device())?;
        pass.layers(embedded, |index, hidden, pass| self.layers[index].forward(hidden, &bias, pass))
    }
}

/// The farthest distance that has a bucket of its own or shares one with others.
const MAX_DISTANCE: f32 = 128.0;

/// The bucket of the distance from each token to each other, `[length, length]`: half of the buckets for tokens before it and
/// half for those after it; of each half, half for one distance each, and the others for distances that grow
/// logarithmically (Raffel et al., arXiv:1910.10683, as MPNet uses it).
fn buckets(length: i64, num_buckets: i64, device: Device) -> Result<Tensor> {
    let at = Tensor::f_arange(length, (Kind::Int64, device))?;
    let distance = at.f_unsqueeze(0)?.f_sub(&at.f_unsqueeze(1)?)?;
    let half = num_buckets / 2;
    let side = distance.f_gt(0)?.f_to_kind(Kind::Int64)?.f_mul_scalar(half)?;
    let distance = distance.f_abs()?;
    let exact = half / 2;
    // In float32, as transformers computes it: the boundaries of buckets depend on it.
    let growth = distance.f_to_kind(Kind::Float)?.f_div_scalar(exact as f64)?.f_log()?;
    let scale = (f64::from(MAX_DISTANCE) / exact as f64).ln();
    let far = growth.f_div_scalar(scale)?.f_mul_scalar(half - exact)?;
    // The distance 0, whose logarithm is not finite, is one of its own.
    let far = far.f_clamp_min(0)?.f_to_kind(Kind::Int64)?.f_add_scalar(exact)?.f_clamp_max(half - 1)?;
    Ok(side.f_add(&distance.f_where_self(&distance.f_lt(exact)?, &far)?)?)
}

struct Layer {
    name: String,
    attention_name: String,
    attention: SelfAttention,
    attention_output: Linear,
    attention_norm: LayerNorm,
    intermediate_name: String,
    intermediate: Linear,
    activation: Activation,
    output: Linear,
    output_norm: LayerNorm,
    dropout: Dropout,
}

impl Layer {
    fn new(mut scope: Scope, config: &MpnetConfig) -> Result<Self> {
        let (size, inner) = (config.hidden_size, config.intermediate_size);
        let (names, dropout) = (["q", "k", "v"], Dropout(config.attention_probs_dropout_prob));
        let heads = config.num_attention_heads;
        Ok(Self {
            attention: SelfAttention::new(scope.at("attention.attn"), names, size, heads, dropout)?,
            attention_name: scope.at("attention").module(),
            attention_output: Linear::new(scope.at("attention.attn.o"), size, size)?,
            attention_norm: LayerNorm::new(scope.at("attention.LayerNorm"), size, config.layer_norm_eps)?,
            intermediate_name: scope.at("intermediate").module(),
            intermediate: Linear::new(scope.at("intermediate.dense"), size, inner)?,
            activation: config.hidden_act,
            output: Linear::new(scope.at("output.dense"), inner, size)?,
            output_norm: LayerNorm::new(scope.at("output.LayerNorm"), size, config.layer_norm_eps)?,
            dropout: Dropout(config.hidden_dropout_prob),
            name: scope.module(),
        })
    }

    /// The layer's output, of the shape of `hidden`; `None` if only its attention probabilities are needed.
    fn forward(&self, hidden: &Tensor, bias: &Tensor, pass: &mut Pass) -> Result<Option<Tensor>> {
        let Some(context) = self.attention.forward(hidden, Some(bias), pass)? else { return Ok(None) };
        let attended = self.dropout.forward(self.attention_output.forward(&context)?, pass)?.f_add(hidden)?;
        let attended = self.attention_norm.forward(&attended)?;
        pass.module(&self.attention_name, &attended);
        let inner = self.activation.forward(&self.intermediate.forward(&attended)?)?;
        pass.module(&self.intermediate_name, &inner);
        let output = self.dropout.forward(self.output.forward(&inner)?, pass)?.f_add(&attended)?;
        let output = self.output_norm.forward(&output)?;
        pass.module(&self.name, &output);
        Ok(Some(output))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With 32 buckets: 8 distances of their own on each side, and the 8 buckets above them up to 128.
    #[test]
    fn near_tokens_have_buckets_of_their_own_and_far_ones_share() {
        let buckets = buckets(300, 32, Device::Cpu).unwrap();
        let bucket = |from: i64, to: i64| buckets.int64_value(&[from, to]);
        for (from, to, expected) in
            [(5, 5, 0), (5, 4, 1), (5, 6, 17), (7, 0, 7), (0, 7, 23), (8, 0, 8), (0, 8, 24), (0, 11, 24), (0, 12, 25)]
        {
            assert_eq!(bucket(from, to), expected, "from {from} to {to}");
        }
        assert_eq!((bucket(299, 0), bucket(0, 299)), (15, 31));
    }
}
