//! DeBERTa-v2 (He et al., arXiv:2006.03654) and the checkpoints of DeBERTa-v3 (arXiv:2111.09543), which are the same network,
//! as transformers computes it: attention scores are sums of content to content, content to position and position to content.

mod attention;
mod config;

use attention::{DisentangledAttention, Distances, Padding, RelativePositions};
use config::DebertaConfig;
use tch::Tensor;

use super::{Architecture, Body, Family, Network, Size};
use crate::model::Pass;
use crate::model::builder::{Builder, Init, Scope};
use crate::model::heads::{self, Head, Pooling, Transform};
use crate::model::huggingface::ModelConfig;
use crate::model::inputs::Inputs;
use crate::model::layers::{Activation, AfterAttention, AfterAttentionSpec, Dropout, Embedding, LayerNorm, Linear};
use crate::{Result, Task};

static FAMILY: Family = Family {
    model_type: "deberta-v2",
    body: "deberta.",
    pooler: "pooler.",
    // DeBERTa-v3 was pre-trained with positions that its encoder does not add, and both with a decoder of masks.
    unused: &["deberta.embeddings.position_embeddings.", "mask_predictions."],
    layers: Some("deberta.encoder.layer."),
    num_layers: "num_hidden_layers",
    layer_type: None,
    sizes: &[
        Size { key: "vocab_size", tensor: WORDS, dim: 0 },
        Size { key: "embedding_size", tensor: WORDS, dim: 1 },
        Size { key: "hidden_size", tensor: "deberta.encoder.layer.0.attention.self.query_proj.weight", dim: 1 },
        Size { key: "type_vocab_size", tensor: "deberta.embeddings.token_type_embeddings.weight", dim: 0 },
        Size { key: "intermediate_size", tensor: "deberta.encoder.layer.0.intermediate.dense.weight", dim: 0 },
    ],
};

const WORDS: &str = "deberta.embeddings.word_embeddings.weight";

pub(super) static ARCHITECTURES: [Architecture; 4] = [
    Architecture { name: "DebertaV2ForSequenceClassification", family: &FAMILY, build: sequence_classification },
    Architecture { name: "DebertaV2ForTokenClassification", family: &FAMILY, build: token_classification },
    Architecture { name: "DebertaV2ForQuestionAnswering", family: &FAMILY, build: question_answering },
    Architecture { name: "DebertaV2ForMaskedLM", family: &FAMILY, build: masked_lm },
];

fn sequence_classification(config: &ModelConfig, builder: &mut Builder) -> Result<Network> {
    let deberta = DebertaConfig::new(config)?;
    deberta.check_pooler().map_err(|reason| config.invalid(reason))?;
    let task = config.sequence_task()?;
    let body = Deberta::new(&deberta, builder)?;
    let size = deberta.hidden_size;
    let head = Head {
        pooling: Some(Pooling::First),
        before: Dropout(deberta.pooler_dropout),
        transform: Some(Transform {
            dense: Linear::new(builder.at("pooler.dense"), size, size)?,
            activation: deberta.pooler_hidden_act,
            norm: None,
        }),
        pooler: None,
        after: Dropout(deberta.cls_dropout.unwrap_or(deberta.hidden_dropout_prob)),
        output: Linear::new(builder.at("classifier"), size, task.num_outputs())?,
    };
    Ok(Network { spec: deberta.spec(task), body: Box::new(body), head })
}

fn token_classification(config: &ModelConfig, builder: &mut Builder) -> Result<Network> {
    let deberta = DebertaConfig::new(config)?;
    let task = config.token_task()?;
    let body = Deberta::new(&deberta, builder)?;
    let output = Linear::new(builder.at("classifier"), deberta.hidden_size, task.num_outputs())?;
    let head = Head::tokens(Dropout(deberta.hidden_dropout_prob), output);
    Ok(Network { spec: deberta.spec(task), body: Box::new(body), head })
}

fn question_answering(config: &ModelConfig, builder: &mut Builder) -> Result<Network> {
    let deberta = DebertaConfig::new(config)?;
    let body = Deberta::new(&deberta, builder)?;
    let output = Linear::new(builder.at("qa_outputs"), deberta.hidden_size, Task::Spans.num_outputs())?;
    let head = Head::tokens(Dropout::NONE, output);
    Ok(Network { spec: deberta.spec(Task::Spans), body: Box::new(body), head })
}

fn masked_lm(config: &ModelConfig, builder: &mut Builder) -> Result<Network> {
    let deberta = DebertaConfig::new(config)?;
    let (size, embedding_size, vocab_size) = (deberta.hidden_size, deberta.embedding_size(), deberta.vocab_size);
    let body = Deberta::new(&deberta, builder)?;
    let transform = |scope: &mut Scope, output: i64| -> Result<Transform> {
        Ok(Transform {
            dense: Linear::new(scope.at("dense"), size, output)?,
            activation: deberta.hidden_act,
            norm: Some(LayerNorm::new(scope.at("LayerNorm"), output, deberta.layer_norm_eps)?),
        })
    };
    let head = if deberta.legacy {
        let mut scope = builder.at("cls.predictions");
        let transform = transform(&mut scope.at("transform"), embedding_size)?;
        let words = config.ties_words()?.then_some(WORDS);
        Head::words(transform, heads::decoder(scope, words, embedding_size, vocab_size)?)
    } else {
        if embedding_size != size {
            return Err(config
                .invalid(format!(
                    "`embedding_size` is {embedding_size} and `legacy` is false; such a head over the vocabulary needs \
                     the size of the layers, {size}"
                ))
                .into());
        }
        let mut scope = builder.at("lm_predictions.lm_head");
        let transform = transform(&mut scope, size)?;
        let bias = scope.parameter("bias", &[vocab_size], Init::Zeros)?;
        // Whatever `tie_word_embeddings` is: the words are the embeddings themselves.
        Head::words(transform, Linear::of(body.words.all().shallow_clone(), Some(bias)))
    };
    Ok(Network { spec: deberta.spec(Task::MaskedLm { vocab_size }), body: Box::new(body), head })
}

struct Deberta {
    embeddings_name: String,
    words: Embedding,
    positions: Option<Embedding>,
    token_types: Option<Embedding>,
    /// From the size of the embeddings to that of the layers, where they differ.
    projection: Option<Linear>,
    norm: LayerNorm,
    dropout: Dropout,
    relative: Option<RelativePositions>,
    layers: Vec<Layer>,
    convolution: Option<Convolution>,
}

impl Deberta {
    fn new(config: &DebertaConfig, builder: &mut Builder) -> Result<Self> {
        builder.initializer_range = config.initializer_range;
        let (size, epsilon) = (config.hidden_size, config.layer_norm_eps);
        let embedding_size = config.embedding_size();
        let mut scope = builder.at("deberta.embeddings");
        let mut table = |name: &str, entries: i64, padding: Option<i64>| {
            Embedding::new(scope.at(name), entries, embedding_size, padding)
        };
        let words = table("word_embeddings", config.vocab_size, config.pad_token_id)?;
        let positions = config
            .position_biased_input
            .then(|| table("position_embeddings", config.max_position_embeddings, None))
            .transpose()?;
        let token_types = (config.type_vocab_size > 0)
            .then(|| table("token_type_embeddings", config.type_vocab_size, None))
            .transpose()?;
        let projection = match embedding_size {
            same if same == size => None,
            other => Some(Linear::with(scope.at("embed_proj"), other, size, false, Init::Normal)?),
        };
        let norm = LayerNorm::new(scope.at("LayerNorm"), size, epsilon)?;
        let embeddings_name = scope.module();
        let mut scope = builder.at("deberta.encoder");
        let layers =
            (0..config.num_hidden_layers).map(|index| Layer::new(scope.at(format_args!("layer.{index}")), config));
        Ok(Self {
            embeddings_name,
            words,
            positions,
            token_types,
            projection,
            norm,
            dropout: Dropout(config.hidden_dropout_prob),
            layers: layers.collect::<Result<_>>()?,
            relative: RelativePositions::new(&mut scope, config)?,
            convolution: match config.conv_kernel_size {
                0 => None,
                kernel => Some(Convolution::new(scope.at("conv"), kernel, config)?),
            },
        })
    }

    /// `[batch, length, hidden]`, zero at padding.
    fn embed(&self, inputs: &Inputs, pass: &mut Pass) -> Result<Tensor> {
        let mut sum = self.words.forward(&inputs.ids)?;
        if let Some(table) = &self.positions {
            sum = sum.f_add(&table.first(inputs.length)?)?;
        }
        if let Some(table) = &self.token_types {
            sum = sum.f_add(&match &inputs.token_types {
                Some(types) => table.forward(types)?,
                None => table.first(1)?,
            })?;
        }
        if let Some(projection) = &self.projection {
            sum = projection.forward(&sum)?;
        }
        let mut embedded = self.norm.forward(&sum)?;
        if let Some(mask) = &inputs.mask {
            embedded = embedded.f_mul(&mask.f_unsqueeze(-1)?.f_to_kind(embedded.f_kind()?)?)?;
        }
        let embedded = self.dropout.forward(embedded, pass)?;
        pass.module(&self.embeddings_name, &embedded);
        Ok(embedded)
    }
}

impl Body for Deberta {
    fn forward(&self, inputs: &Inputs, pass: &mut Pass) -> Result<Option<Tensor>> {
        let embedded = self.embed(inputs, pass)?;
        let kind = embedded.f_kind()?;
        let padding = inputs.mask.as_ref().map(|mask| Padding::new(mask, kind)).transpose()?;
        let distances = match &self.relative {
            Some(relative) => Some(relative.forward(inputs.length, embedded.device())?),
            None => None,
        };
        let first = embedded.shallow_clone();
        pass.layers(embedded, |index, hidden, pass| {
            let output = self.layers[index].forward(hidden, distances.as_ref(), padding.as_ref(), pass)?;
            match (&self.convolution, output) {
                (Some(convolution), Some(output)) if index == 0 => {
                    Ok(Some(convolution.forward(&first, &output, padding.as_ref(), pass)?))
                }
                (_, output) => Ok(output),
            }
        })
    }
}

struct Layer {
    attention: DisentangledAttention,
    rest: AfterAttention,
}

impl Layer {
    fn new(mut scope: Scope, config: &DebertaConfig) -> Result<Self> {
        let rest = AfterAttentionSpec {
            hidden_size: config.hidden_size,
            intermediate_size: config.intermediate_size,
            activation: config.hidden_act,
            layer_norm_eps: config.layer_norm_eps,
            dropout: config.hidden_dropout_prob,
        };
        Ok(Self {
            attention: DisentangledAttention::new(scope.at("attention.self"), config)?,
            rest: AfterAttention::new(scope, &rest)?,
        })
    }

    /// The layer's output, of the shape of `hidden`; `None` if only its attention probabilities are needed.
    fn forward(
        &self,
        hidden: &Tensor,
        distances: Option<&Distances>,
        padding: Option<&Padding>,
        pass: &mut Pass,
    ) -> Result<Option<Tensor>> {
        let Some(context) = self.attention.forward(hidden, distances, padding, pass)? else { return Ok(None) };
        self.rest.forward(&context, hidden, pass).map(Some)
    }
}

/// What the first layer's output has besides: a convolution of the embeddings over neighbouring tokens.
struct Convolution {
    weight: Tensor,
    bias: Tensor,
    groups: i64,
    /// How many tokens it reads on each side.
    reach: i64,
    activation: Activation,
    norm: LayerNorm,
    dropout: Dropout,
}

impl Convolution {
    fn new(mut scope: Scope, kernel: i64, config: &DebertaConfig) -> Result<Self> {
        let (size, groups) = (config.hidden_size, config.conv_groups);
        let mut at = scope.at("conv");
        Ok(Self {
            weight: at.parameter("weight", &[size, size / groups, kernel], Init::Normal)?,
            bias: at.parameter("bias", &[size], Init::Zeros)?,
            groups,
            reach: (kernel - 1) / 2,
            activation: config.conv_act,
            norm: LayerNorm::new(scope.at("LayerNorm"), size, config.layer_norm_eps)?,
            dropout: Dropout(config.hidden_dropout_prob),
        })
    }

    /// From the embeddings and the first layer's output, `[batch, length, hidden]` each, what the second layer reads: zero
    /// at padding.
    fn forward(&self, embedded: &Tensor, output: &Tensor, padding: Option<&Padding>, pass: &Pass) -> Result<Tensor> {
        let channels = embedded.f_transpose(1, 2)?;
        let mixed =
            channels.f_conv1d(&self.weight, Some(&self.bias), 1, self.reach, 1, self.groups)?.f_transpose(1, 2)?;
        let blank = |tensor: Tensor| -> Result<Tensor> {
            match padding {
                Some(padding) => Ok(tensor.f_masked_fill(&padding.rows, 0.0)?),
                None => Ok(tensor),
            }
        };
        let mixed = self.activation.forward(&self.dropout.forward(blank(mixed)?, pass)?)?;
        blank(self.norm.forward(&output.f_add(&mixed)?)?)
    }
}
