//! What stands on top of a model's body: from its output to logits.

use tch::Tensor;

use super::Pass;
use super::builder::{Init, Scope};
use super::inputs::Inputs;
use super::layers::{Activation, Dropout, LayerNorm, Linear};
use crate::Result;

/// The output that a model's pooler has.
pub(super) const POOLER_OUTPUT: &str = "pooler_output";

/// The last part of a model, which says what it is for. It reads the last layer's output, `[batch, length, hidden]`: pooling,
/// dropout, a transformation, dropout, and a linear layer, of which a family has what it needs.
pub(super) struct Head {
    /// What makes one vector of an example's; `None` where each token has logits of its own.
    pub pooling: Option<Pooling>,
    pub before: Dropout,
    pub transform: Option<Transform>,
    /// The name as a module of the pooler, where what the transformation makes is an output of the model.
    pub pooler: Option<String>,
    pub after: Dropout,
    pub output: Linear,
}

/// How the vectors of an example's tokens become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Pooling {
    /// That of the first token.
    #[serde(rename = "cls")]
    First,
    /// The mean of those that are not padding.
    Mean,
}

/// A dense layer with an activation and, where there is one, a norm.
pub(super) struct Transform {
    pub dense: Linear,
    pub activation: Activation,
    pub norm: Option<LayerNorm>,
}

impl Head {
    /// Dropout and a linear layer for each token.
    pub fn tokens(dropout: Dropout, output: Linear) -> Self {
        Self { pooling: None, before: dropout, transform: None, pooler: None, after: Dropout::NONE, output }
    }

    /// Logits of each token over the vocabulary.
    pub fn words(transform: Transform, output: Linear) -> Self {
        Self { transform: Some(transform), ..Self::tokens(Dropout::NONE, output) }
    }

    /// Whether the model has a pooler, whose output can be asked for.
    pub fn has_pooler(&self) -> bool {
        self.pooler.is_some()
    }

    /// The logits, `[batch, outputs]` or `[batch, length, outputs]`, where they are wanted. The pass is given the pooler's
    /// output.
    pub fn forward(
        &self,
        last: &Tensor,
        inputs: &Inputs,
        wants_logits: bool,
        pass: &mut Pass,
    ) -> Result<Option<Tensor>> {
        if !wants_logits && !self.has_pooler() {
            return Ok(None);
        }
        let mut vectors = match self.pooling {
            None => last.shallow_clone(),
            Some(pooling) => pooling.forward(last, inputs.mask.as_ref())?,
        };
        vectors = self.before.forward(vectors, pass)?;
        if let Some(Transform { dense, activation, norm }) = &self.transform {
            vectors = activation.forward(&dense.forward(&vectors)?)?;
            if let Some(norm) = norm {
                vectors = norm.forward(&vectors)?;
            }
        }
        if let Some(name) = &self.pooler {
            pass.module(name, &vectors);
            pass.output(POOLER_OUTPUT, vectors.shallow_clone());
        }
        if !wants_logits {
            return Ok(None);
        }
        Ok(Some(self.output.forward(&self.after.forward(vectors, pass)?)?))
    }
}

impl Pooling {
    /// `[batch, hidden]` of `[batch, length, hidden]` and the mask `[batch, length]`, 0 for padding.
    fn forward(self, last: &Tensor, mask: Option<&Tensor>) -> Result<Tensor> {
        match (self, mask) {
            (Pooling::First, _) => Ok(last.f_select(1, 0)?),
            (Pooling::Mean, None) => Ok(last.f_mean_dim([1_i64].as_slice(), false, None)?),
            (Pooling::Mean, Some(mask)) => {
                let mask = mask.f_to_kind(last.f_kind()?)?.f_unsqueeze(-1)?;
                let sum = last.f_mul(&mask)?.f_sum_dim_intlist([1_i64].as_slice(), false, None)?;
                Ok(sum.f_div(&mask.f_sum_dim_intlist([1_i64].as_slice(), false, None)?)?)
            }
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
    Ok(Linear::of(weight, Some(bias)))
}
