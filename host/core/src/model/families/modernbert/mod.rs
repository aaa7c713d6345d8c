//! ModernBERT (Warner et al., arXiv:2412.13663), as transformers computes it: norms before the blocks, rotated positions,
//! gated feed-forward blocks, and attention to all tokens in some layers and to near ones in the others.

mod config;

use config::{LayerType, ModernBertConfig};
use tch::{Kind, Tensor};

use super::{Architecture, Body, Family, Network, Size};
use crate::model::Pass;
use crate::model::builder::{Builder, Init, Scope};
use crate::model::heads::{Head, Pooling, Transform};
use crate::model::huggingface::ModelConfig;
use crate::model::inputs::Inputs;
use crate::model::layers::{
    Activation, Attention, Dropout, Embedding, LayerNorm, Linear, RopeParameters, RotaryEmbedding, blocking_bias,
    padding_bias, scale, split_heads,
};
use crate::{Result, Task};

static FAMILY: Family = Family {
    model_type: "modernbert",
    body: "model.",
    // Below every head stands the one that was pre-trained.
    pooler: "head.",
    unused: &[],
    layers: Some("model.layers."),
    num_layers: "num_hidden_layers",
    layer_type: Some(|config, layer| Ok(ModernBertConfig::new(config)?.layer_type(layer).name())),
    sizes: &[
        Size { key: "vocab_size", tensor: WORDS, dim: 0 },
        Size { key: "hidden_size", tensor: WORDS, dim: 1 },
        Size { key: "intermediate_size", tensor: "model.layers.0.mlp.Wo.weight", dim: 1 },
    ],
};

const WORDS: &str = "model.embeddings.tok_embeddings.weight";

pub(super) static ARCHITECTURES: [Architecture; 4] = [
    Architecture { name: "ModernBertForSequenceClassification", family: &FAMILY, build: sequence_classification },
    Architecture { name: "ModernBertForTokenClassification", family: &FAMILY, build: token_classification },
    Architecture { name: "ModernBertForQuestionAnswering", family: &FAMILY, build: question_answering },
    Architecture { name: "ModernBertForMaskedLM", family: &FAMILY, build: masked_lm },
];

fn sequence_classification(config: &ModelConfig, builder: &mut Builder) -> Result<Network> {
    let modernbert = ModernBertConfig::new(config)?;
    let task = config.sequence_task()?;
    let body = ModernBert::new(&modernbert, builder)?;
    let head = modernbert.classifier(Some(modernbert.classifier_pooling), task.num_outputs(), builder)?;
    Ok(Network { spec: modernbert.spec(task), body: Box::new(body), head })
}

fn token_classification(config: &ModelConfig, builder: &mut Builder) -> Result<Network> {
    let modernbert = ModernBertConfig::new(config)?;
    let task = config.token_task()?;
    let body = ModernBert::new(&modernbert, builder)?;
    let head = modernbert.classifier(None, task.num_outputs(), builder)?;
    Ok(Network { spec: modernbert.spec(task), body: Box::new(body), head })
}

fn question_answering(config: &ModelConfig, builder: &mut Builder) -> Result<Network> {
    let modernbert = ModernBertConfig::new(config)?;
    let body = ModernBert::new(&modernbert, builder)?;
    let head = modernbert.classifier(None, Task::Spans.num_outputs(), builder)?;
    Ok(Network { spec: modernbert.spec(Task::Spans), body: Box::new(body), head })
}

fn masked_lm(config: &ModelConfig, builder: &mut Builder) -> Result<Network> {
    let modernbert = ModernBertConfig::new(config)?;
    let vocab_size = modernbert.vocab_size;
    let body = ModernBert::new(&modernbert, builder)?;
    let transform = modernbert.transform(builder)?;
    let words = config.ties_words()?.then_some(WORDS);
    let mut scope = builder.at("decoder");
    let shape = [vocab_size, modernbert.hidden_size];
    let weight = scope.tied_or_own("weight", words, &shape, modernbert.init(modernbert.deviation_out()))?;
    let bias = modernbert.decoder_bias.then(|| scope.parameter("bias", &[vocab_size], Init::Zeros)).transpose()?;
    let head = Head::words(transform, Linear::of(weight, bias));
    Ok(Network { spec: modernbert.spec(Task::MaskedLm { vocab_size }), body: Box::new(body), head })
}

/// What the parts of a model are made of.
impl ModernBertConfig {
    fn init(&self, deviation: f64) -> Init {
        Init::TruncatedNormal { deviation, cutoff: self.cutoff() }
    }

    /// The standard deviation of weights by which blocks end: smaller, the more blocks are summed.
    fn deviation_out(&self) -> f64 {
        self.initializer_range / (2.0 * self.num_hidden_layers as f64).sqrt()
    }

    fn norm(&self, scope: Scope) -> Result<LayerNorm> {
        LayerNorm::with(scope, self.hidden_size, self.norm_eps, self.norm_bias)
    }

    fn transform(&self, builder: &mut Builder) -> Result<Transform> {
        let (size, init) = (self.hidden_size, self.init(self.deviation_out()));
        Ok(Transform {
            dense: Linear::with(builder.at("head.dense"), size, size, self.classifier_bias, init)?,
            activation: self.classifier_activation,
            norm: Some(self.norm(builder.at("head.norm"))?),
        })
    }

    /// The head of classifiers, of examples if there is a pooling and else of tokens.
    fn classifier(&self, pooling: Option<Pooling>, num_outputs: i64, builder: &mut Builder) -> Result<Head> {
        let init = self.init((self.hidden_size as f64).powf(-0.5));
        Ok(Head {
            pooling,
            before: Dropout::NONE,
            transform: Some(self.transform(builder)?),
            pooler: None,
            after: Dropout(self.classifier_dropout),
            output: Linear::with(builder.at("classifier"), self.hidden_size, num_outputs, true, init)?,
        })
    }
}

struct ModernBert {
    name: String,
    words: Embedding,
    norm: LayerNorm,
    dropout: Dropout,
    layers: Vec<Layer>,
    final_norm: LayerNorm,
    head_size: i64,
    ropes: [(RopeParameters, f64); 2],
    /// How far a token may be from one that attends to it in a layer that does not attend to all.
    reach: i64,
}

/// What all layers of a kind share in a forward.
struct Positions {
    rope: RotaryEmbedding,
    /// Added to scores, `[1 or batch, 1, 1 or length, length]`.
    bias: Option<Tensor>,
    /// Whether a query may attend to nothing: padding far from all tokens does.
    may_be_blocked: bool,
}

impl ModernBert {
    fn new(config: &ModernBertConfig, builder: &mut Builder) -> Result<Self> {
        builder.initializer_range = config.initializer_range;
        let mut scope = builder.at("model.embeddings");
        let (size, init) = (config.hidden_size, config.init(config.initializer_range));
        let words = Embedding::with(scope.at("tok_embeddings"), config.vocab_size, size, config.pad_token_id, init)?;
        let norm = config.norm(scope.at("norm"))?;
        let name = scope.module();
        let mut scope = builder.at("model");
        let layers = (0..config.num_hidden_layers)
            .map(|index| Layer::new(scope.at(format_args!("layers.{index}")), index as usize, config));
        Ok(Self {
            name,
            words,
            norm,
            dropout: Dropout(config.embedding_dropout),
            layers: layers.collect::<Result<_>>()?,
            final_norm: config.norm(scope.at("final_norm"))?,
            head_size: config.head_size(),
            ropes: [LayerType::Full, LayerType::Sliding].map(|layer_type| config.rope(layer_type)),
            reach: config.local_attention / 2,
        })
    }

    fn positions(&self, layer_type: LayerType, inputs: &Inputs, embedded: &Tensor) -> Result<Positions> {
        let (kind, device) = (embedded.f_kind()?, embedded.device());
        let (parameters, theta) = &self.ropes[layer_type as usize];
        let rope = RotaryEmbedding::new(parameters, *theta, self.head_size, inputs.length, kind, device)?;
        let is_near = layer_type == LayerType::Sliding && self.reach < inputs.length - 1;
        let bias = match (is_near, &inputs.mask) {
            (false, None) => None,
            (false, Some(mask)) => Some(padding_bias(mask, kind)?),
            (true, mask) => {
                let at = Tensor::f_arange(inputs.length, (Kind::Int64, device))?;
                let mut blocked = at.f_unsqueeze(1)?.f_sub(&at.f_unsqueeze(0)?)?.f_abs()?.f_gt(self.reach)?;
                blocked = blocked.f_view([1, 1, inputs.length, inputs.length])?;
                if let Some(mask) = mask {
                    blocked = blocked.f_logical_or(&mask.f_eq(0)?.f_unsqueeze(1)?.f_unsqueeze(1)?)?;
                }
                Some(blocking_bias(&blocked, kind)?)
            }
        };
        Ok(Positions { rope, bias, may_be_blocked: is_near && inputs.mask.is_some() })
    }
}

impl Body for ModernBert {
    fn forward(&self, inputs: &Inputs, pass: &mut Pass) -> Result<Option<Tensor>> {
        let embedded = self.dropout.forward(self.norm.forward(&self.words.forward(&inputs.ids)?)?, pass)?;
        pass.module(&self.name, &embedded);
        let full = self.positions(LayerType::Full, inputs, &embedded)?;
        let sliding = self.positions(LayerType::Sliding, inputs, &embedded)?;
        pass.layers(embedded, |index, hidden, pass| {
            let layer = &self.layers[index];
            let positions = match layer.layer_type {
                LayerType::Full => &full,
                LayerType::Sliding => &sliding,
            };
            let output = layer.forward(hidden, positions, pass)?;
            match output {
                // The last hidden state is normalized, as nothing above it does that.
                Some(output) if index + 1 == self.layers.len() => Ok(Some(self.final_norm.forward(&output)?)),
                output => Ok(output),
            }
        })
    }
}

struct Layer {
    name: String,
    layer_type: LayerType,
    /// The first layer has none: the embeddings are normalized.
    attention_norm: Option<LayerNorm>,
    projection: Linear,
    num_heads: i64,
    attention_dropout: Dropout,
    attention_output: Linear,
    attention_name: String,
    mlp_norm: LayerNorm,
    inner: Linear,
    activation: Activation,
    mlp_dropout: Dropout,
    outer: Linear,
    mlp_name: String,
}

impl Layer {
    fn new(mut scope: Scope, index: usize, config: &ModernBertConfig) -> Result<Self> {
        let (size, inner) = (config.hidden_size, config.intermediate_size);
        let (init, init_out) = (config.init(config.initializer_range), config.init(config.deviation_out()));
        let (attention_bias, mlp_bias) = (config.attention_bias, config.mlp_bias);
        Ok(Self {
            layer_type: config.layer_type(index),
            attention_norm: if index == 0 { None } else { Some(config.norm(scope.at("attn_norm"))?) },
            projection: Linear::with(scope.at("attn.Wqkv"), size, 3 * size, attention_bias, init)?,
            num_heads: config.num_attention_heads,
            attention_dropout: Dropout(config.attention_dropout),
            attention_output: Linear::with(scope.at("attn.Wo"), size, size, attention_bias, init_out)?,
            attention_name: scope.at("attn").module(),
            mlp_norm: config.norm(scope.at("mlp_norm"))?,
            inner: Linear::with(scope.at("mlp.Wi"), size, 2 * inner, mlp_bias, init)?,
            activation: config.hidden_activation,
            mlp_dropout: Dropout(config.mlp_dropout),
            outer: Linear::with(scope.at("mlp.Wo"), inner, size, mlp_bias, init_out)?,
            mlp_name: scope.at("mlp").module(),
            name: scope.module(),
        })
    }

    /// The layer's output, of the shape of `hidden`; `None` if only its attention probabilities are needed.
    fn forward(&self, hidden: &Tensor, positions: &Positions, pass: &mut Pass) -> Result<Option<Tensor>> {
        let normed = match &self.attention_norm {
            Some(norm) => norm.forward(hidden)?,
            None => hidden.shallow_clone(),
        };
        let projected = self.projection.forward(&normed)?;
        let size = projected.size3()?.2 / 3;
        let part = |index: i64| split_heads(&projected.f_narrow(-1, index * size, size)?, self.num_heads);
        let (query, key) = (positions.rope.rotate(&part(0)?)?, positions.rope.rotate(&part(1)?)?);
        let (bias, dropout) = (positions.bias.as_ref(), self.attention_dropout);
        // Query, key and value are parts of `projected`, so this is whether a gradient flows through the attention at all.
        let may_fuse = !(positions.may_be_blocked && projected.requires_grad());
        let attention = Attention { bias, scale: scale(&query), dropout, may_fuse };
        let Some(context) = attention.forward(&query, &key, |_| part(2), pass)? else { return Ok(None) };
        let attended = dropout.forward(self.attention_output.forward(&context)?, pass)?;
        pass.module(&self.attention_name, &attended);
        let attended = attended.f_add(hidden)?;
        let inner = self.inner.forward(&self.mlp_norm.forward(&attended)?)?;
        let half = inner.size3()?.2 / 2;
        let gate = inner.f_narrow(-1, half, half)?;
        let gated = self.activation.forward(&inner.f_narrow(-1, 0, half)?)?.f_mul(&gate)?;
        let output = self.outer.forward(&self.mlp_dropout.forward(gated, pass)?)?;
        pass.module(&self.mlp_name, &output);
        let output = output.f_add(&attended)?;
        pass.module(&self.name, &output);
        Ok(Some(output))
    }
}
