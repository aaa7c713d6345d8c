//! What stands on top of a model's body: from its output to logits.

use tch::Tensor;

use super::Pass;
use super::builder::{Init, Scope};
use super::layers::{Activation, Dropout, LayerNorm, Linear};
use crate::Result;

/// The output that a model's pooler has.
pub(super) const POOLER_OUTPUT: &str = "pooler_output";

/// The last part of a model, which says what it is for. A head reads the last layer's output, `[batch, length, hidden]`.
pub(super) enum Head {
    /// Logits of each example, `[batch, outputs]`: a dense layer with an activation over the first token, and a linear
    /// layer.
    Sequence {
        before: Dropout,
        dense: Linear,
        activation: Activation,
        /// The name as a module where what the dense layer makes is an output of the model.
        pooler: Option<String>,
        after: Dropout,
        output: Linear,
    },
    /// Logits of each token, `[batch, length, outputs]`: a linear layer.
    Tokens { dropout: Dropout, output: Linear },
    /// Logits of each token over the vocabulary, `[batch, length, vocabulary]`: a dense layer with an activation and a norm,
    /// and a linear layer.
    Words { dense: Linear, activation: Activation, norm: LayerNorm, output: Linear },
}

impl Head {
    /// Whether the model has a pooler, whose output can be asked for.
    pub fn has_pooler(&self) -> bool {
        matches!(self, Head::Sequence { pooler: Some(_), .. })
    }

    /// The logits, where they are wanted. The pass is given the pooler's output.
    pub fn forward(&self, last: &Tensor, wants_logits: bool, pass: &mut Pass) -> Result<Option<Tensor>> {
        match self {
            Head::Sequence { before, dense, activation, pooler, after, output } => {
                let first = before.forward(last.f_select(1, 0)?, pass)?;
                let pooled = activation.forward(&dense.forward(&first)?)?;
                if let Some(name) = pooler {
                    pass.module(name, &pooled);
                    pass.output(POOLER_OUTPUT, pooled.shallow_clone());
                }
                if !wants_logits {
                    return Ok(None);
                }
                Ok(Some(output.forward(&after.forward(pooled, pass)?)?))
            }
            Head::Tokens { dropout, output } if wants_logits => {
                Ok(Some(output.forward(&dropout.forward(last.shallow_clone(), pass)?)?))
            }
            Head::Words { dense, activation, norm, output } if wants_logits => {
                let transformed = norm.forward(&activation.forward(&dense.forward(last)?)?)?;
                Ok(Some(output.forward(&transformed)?))
            }
            Head::Tokens { .. } | Head::Words { .. } => Ok(None),
        }
    }
}

/// A linear layer to the vocabulary, `decoder` in `scope`. Its weight is the parameter `words`, if one is named, and its bias
/// is the parameter `bias` of `scope`, too.
pub(super) fn decoder(mut scope: Scope, words: Option<&str>, size: i64, vocab_size: i64) -> Result<Linear> {
    let bias = scope.parameter("bias", &[vocab_size], Init::Zeros)?;
    let own = scope.name_of("bias");
    let mut decoder = scope.at("decoder");
    let weight = decoder.tied_or_own("weight", words, &[vocab_size, size], Init::Normal)?;
    // The same tensor under its other name.
    drop(decoder.tied("bias", &own));
    Ok(Linear::of(weight, bias))
}
