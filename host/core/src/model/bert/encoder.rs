use tch::Tensor;

use super::config::BertConfig;
use crate::Result;
use crate::model::Mode;
use crate::model::builder::Scope;
use crate::model::demand::{Demand, Encoded, Wanted};
use crate::model::nn::{Activation, Dropout, LayerNorm, Linear, SelfAttention, padding_bias};
use crate::model::taps::Tap;

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

    /// Runs the layers that `demand` needs on what `embed` returns, `[batch, length, hidden]`; `mask` is
    /// `[batch, length]`, 0 for padding.
    pub fn forward(
        &self,
        embed: impl FnOnce() -> Result<Tensor>,
        mask: Option<&Tensor>,
        demand: &Demand,
        mode: Mode,
    ) -> Result<Encoded> {
        let mut bias = None;
        demand.run(self.layers.len(), embed, |layer, hidden, wanted| {
            if let (0, Some(mask)) = (layer, mask) {
                bias = Some(padding_bias(mask, hidden.f_kind()?)?);
            }
            let tap = demand.taps.at(format_args!("bert.encoder.layer.{layer}"));
            self.layers[layer].forward(hidden, bias.as_ref(), wanted, mode, &tap)
        })
    }
}

/// The modules of a layer whose output can be asked for, below the layer's name; `""` is the layer itself.
pub(super) const MODULES_OF_LAYER: [&str; 9] = [
    ".attention.self.query",
    ".attention.self.key",
    ".attention.self.value",
    ".attention.self",
    ".attention.output",
    ".attention",
    ".intermediate",
    ".output",
    "",
];

struct Layer {
    attention: SelfAttention,
    attention_output: Output,
    intermediate: Linear,
    activation: Activation,
    output: Output,
}

impl Layer {
    fn new(mut scope: Scope, config: &BertConfig) -> Result<Self> {
        let (size, inner) = (config.hidden_size, config.intermediate_size);
        let mut attention = scope.at("attention");
        let dropout = Dropout(config.attention_probs_dropout_prob);
        Ok(Self {
            attention: SelfAttention::new(attention.at("self"), size, config.num_attention_heads, dropout)?,
            attention_output: Output::new(attention.at("output"), size, config)?,
            intermediate: Linear::new(scope.at("intermediate.dense"), size, inner)?,
            activation: config.hidden_act,
            output: Output::new(scope.at("output"), inner, config)?,
        })
    }

    fn forward(
        &self,
        hidden: &Tensor,
        bias: Option<&Tensor>,
        wanted: Wanted,
        mode: Mode,
        tap: &Tap,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let keep_projection = |name: &str, output: &Tensor| tap.keep_at(&format!(".attention.self.{name}"), output);
        let (context, map) = self.attention.forward(hidden, bias, wanted, mode, keep_projection)?;
        let Some(context) = context else { return Ok((None, map)) };
        let attended = self.attention_output.forward(&context, hidden, mode)?;
        let inner = self.activation.forward(&self.intermediate.forward(&attended)?)?;
        let output = self.output.forward(&inner, &attended, mode)?;
        for (name, tensor) in [
            (".attention.self", &context),
            (".attention.output", &attended),
            (".attention", &attended),
            (".intermediate", &inner),
            (".output", &output),
            ("", &output),
        ] {
            tap.keep_at(name, tensor);
        }
        Ok((Some(output), map))
    }
}

/// A dense layer, a residual and their norm: the end of the attention and of the feed-forward block.
struct Output {
    dense: Linear,
    norm: LayerNorm,
    dropout: Dropout,
}

impl Output {
    fn new(mut scope: Scope, input: i64, config: &BertConfig) -> Result<Self> {
        let size = config.hidden_size;
        Ok(Self {
            dense: Linear::new(scope.at("dense"), input, size)?,
            norm: LayerNorm::new(scope.at("LayerNorm"), size, config.layer_norm_eps)?,
            dropout: Dropout(config.hidden_dropout_prob),
        })
    }

    fn forward(&self, input: &Tensor, residual: &Tensor, mode: Mode) -> Result<Tensor> {
        let sum = self.dropout.forward(self.dense.forward(input)?, mode)?.f_add_(residual)?;
        self.norm.forward(&sum)
    }
}
