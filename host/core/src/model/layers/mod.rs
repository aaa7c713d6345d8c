//! The parts that families of models share. Each makes its own parameters under the names that transformers gives them.

mod after_attention;
mod attention;
mod embeddings;
mod rope;

use tch::Tensor;

pub(super) use after_attention::{AfterAttention, AfterAttentionSpec};
pub(super) use attention::{Attention, SelfAttention, blocking_bias, padding_bias, scale, split_heads};
pub(super) use embeddings::{Embeddings, EmbeddingsSpec};
pub(super) use rope::{RopeParameters, RotaryEmbedding};

use super::Pass;
use super::builder::{Init, Scope};
use crate::Result;

/// `x·Wᵀ + b`, with `weight` `[output, input]` and `bias` `[output]` if there is one.
#[derive(Debug)]
pub(super) struct Linear {
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Linear {
    /// A layer with a bias.
    pub fn new(scope: Scope, input: i64, output: i64) -> Result<Self> {
        Self::with(scope, input, output, true, Init::Normal)
    }

    /// A layer whose weight is initialized as `init` says, and a bias, if it has one, as zeros.
    pub fn with(mut scope: Scope, input: i64, output: i64, has_bias: bool, init: Init) -> Result<Self> {
        let weight = scope.parameter("weight", &[output, input], init)?;
        let bias = if has_bias { Some(scope.parameter("bias", &[output], Init::Zeros)?) } else { None };
        Ok(Self { weight, bias })
    }

    /// A layer to the vocabulary, whose weight is the parameter `words`, by its whole name, if one is named.
    pub fn to_words(mut scope: Scope, words: Option<&str>, size: i64, vocab_size: i64) -> Result<Self> {
        let weight = scope.tied_or_own("weight", words, &[vocab_size, size], Init::Normal)?;
        Ok(Self { weight, bias: Some(scope.parameter("bias", &[vocab_size], Init::Zeros)?) })
    }

    /// A layer of tensors that are there.
    pub fn of(weight: Tensor, bias: Option<Tensor>) -> Self {
        Self { weight, bias }
    }

    pub fn forward(&self, input: &Tensor) -> Result<Tensor> {
        Ok(input.f_linear(&self.weight, self.bias.as_ref())?)
    }
}

/// A table of vectors, `weight` `[entries, size]`.
#[derive(Debug)]
pub(super) struct Embedding {
    weight: Tensor,
    padding_index: Option<i64>,
}

impl Embedding {
    /// The row at `padding_index` starts at zero and gets no gradient.
    pub fn new(scope: Scope, entries: i64, size: i64, padding_index: Option<i64>) -> Result<Self> {
        let init = padding_index.map_or(Init::Normal, Init::NormalExceptRow);
        Self::with(scope, entries, size, padding_index, init)
    }

    /// A table that is initialized as `init` says; the row at `padding_index` gets no gradient.
    pub fn with(mut scope: Scope, entries: i64, size: i64, padding_index: Option<i64>, init: Init) -> Result<Self> {
        Ok(Self { weight: scope.parameter("weight", &[entries, size], init)?, padding_index })
    }

    /// All vectors, `[entries, size]`.
    pub fn all(&self) -> &Tensor {
        &self.weight
    }

    /// The vectors of `ids`, of any shape: `[…, size]`.
    pub fn forward(&self, ids: &Tensor) -> Result<Tensor> {
        Ok(Tensor::f_embedding(&self.weight, ids, self.padding_index.unwrap_or(-1), false, false)?)
    }

    /// The first `count` vectors, `[count, size]`: a view, not a copy.
    pub fn first(&self, count: i64) -> Result<Tensor> {
        Ok(self.weight.f_narrow(0, 0, count)?)
    }
}

/// Layer normalization over the last dimension.
#[derive(Debug)]
pub(super) struct LayerNorm {
    weight: Tensor,
    bias: Option<Tensor>,
    size: i64,
    epsilon: f64,
}

impl LayerNorm {
    /// A norm with a bias.
    pub fn new(scope: Scope, size: i64, epsilon: f64) -> Result<Self> {
        Self::with(scope, size, epsilon, true)
    }

    pub fn with(mut scope: Scope, size: i64, epsilon: f64, has_bias: bool) -> Result<Self> {
        let weight = scope.parameter("weight", &[size], Init::Ones)?;
        let bias = if has_bias { Some(scope.parameter("bias", &[size], Init::Zeros)?) } else { None };
        Ok(Self { weight, bias, size, epsilon })
    }

    pub fn forward(&self, input: &Tensor) -> Result<Tensor> {
        Ok(input.f_layer_norm([self.size], Some(&self.weight), self.bias.as_ref(), self.epsilon, true)?)
    }
}

/// A dense layer, a residual and their norm: how an attention or a feed-forward block of BERT ends.
#[derive(Debug)]
pub(super) struct Residual {
    dense: Linear,
    norm: LayerNorm,
    dropout: Dropout,
}

impl Residual {
    /// `input` is the size of what goes through the dense layer, `size` that of the residual.
    pub fn new(mut scope: Scope, input: i64, size: i64, epsilon: f64, dropout: f64) -> Result<Self> {
        Ok(Self {
            dense: Linear::new(scope.at("dense"), input, size)?,
            norm: LayerNorm::new(scope.at("LayerNorm"), size, epsilon)?,
            dropout: Dropout(dropout),
        })
    }

    pub fn forward(&self, input: &Tensor, residual: &Tensor, pass: &Pass) -> Result<Tensor> {
        let sum = self.dropout.forward(self.dense.forward(input)?, pass)?.f_add_(residual)?;
        self.norm.forward(&sum)
    }
}

/// Dropout with a fixed probability; it does nothing outside training.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dropout(pub f64);

impl Dropout {
    pub const NONE: Self = Self(0.0);

    pub fn forward(self, input: Tensor, pass: &Pass) -> Result<Tensor> {
        let probability = self.probability(pass);
        // Even at 0 the kernel would copy its input and draw from the generator.
        if probability == 0.0 { Ok(input) } else { Ok(input.f_dropout(probability, true)?) }
    }

    /// The probability that holds in `pass`.
    pub fn probability(self, pass: &Pass) -> f64 {
        if pass.is_training() { self.0 } else { 0.0 }
    }
}

/// The activations that a config may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Activation {
    /// With the error function, not an approximation.
    #[serde(alias = "gelu_python")]
    Gelu,
    /// With tanh in place of the error function.
    #[serde(alias = "gelu_pytorch_tanh", alias = "gelu_fast")]
    GeluNew,
    Relu,
    #[serde(alias = "swish")]
    Silu,
    Tanh,
}

impl Activation {
    pub fn forward(self, input: &Tensor) -> Result<Tensor> {
        Ok(match self {
            Activation::Gelu => input.f_gelu("none")?,
            Activation::GeluNew => input.f_gelu("tanh")?,
            Activation::Relu => input.f_relu()?,
            Activation::Silu => input.f_silu()?,
            Activation::Tanh => input.f_tanh()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every name, and its value at 0.7 by its formula.
    #[test]
    fn names_and_values() {
        for (name, expected) in [
            ("gelu", 0.530_625_443_443_849),
            ("gelu_new", 0.530_570_134_705_117),
            ("gelu_pytorch_tanh", 0.530_570_134_705_117),
            ("gelu_fast", 0.530_570_134_705_117),
            ("gelu_python", 0.530_625_443_443_849),
            ("relu", 0.7),
            ("silu", 0.467_731_440_517_716),
            ("swish", 0.467_731_440_517_716),
            ("tanh", 0.604_367_777_117_164),
        ] {
            let activation: Activation = serde_json::from_value(name.into()).unwrap();
            let found = activation.forward(&Tensor::from(0.7_f64)).unwrap().double_value(&[]);
            assert!((found - expected).abs() < 1e-12, "{name}: {found}, expected {expected}");
        }
    }
}
