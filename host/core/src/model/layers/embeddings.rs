use tch::{Kind, Tensor};

use super::{Dropout, Embedding, LayerNorm};
use crate::Result;
use crate::model::Pass;
use crate::model::builder::Scope;
use crate::model::inputs::Inputs;

/// What embeddings are made of.
#[derive(Debug, Clone, Copy)]
pub(in crate::model) struct EmbeddingsSpec {
    pub vocab_size: i64,
    pub num_positions: i64,
    /// `None` where there are no token types.
    pub num_token_types: Option<i64>,
    /// Of a vector.
    pub size: i64,
    /// The padding token's id.
    pub padding: Option<i64>,
    /// Whether positions count from the padding token's id + 1 on, and not from 0.
    pub counts_from_padding: bool,
    pub epsilon: f64,
    pub dropout: f64,
}

/// The sum of word and position embeddings, and of token types where there are any, normalized.
pub(in crate::model) struct Embeddings {
    name: String,
    words: Embedding,
    positions: Embedding,
    token_types: Option<Embedding>,
    norm: LayerNorm,
    dropout: Dropout,
    /// The padding token's id, where positions count from it.
    counts_from: Option<i64>,
}

impl Embeddings {
    pub fn new(mut scope: Scope, spec: &EmbeddingsSpec) -> Result<Self> {
        let counts_from = spec.padding.filter(|_| spec.counts_from_padding);
        let words = Embedding::new(scope.at("word_embeddings"), spec.vocab_size, spec.size, spec.padding)?;
        let positions = Embedding::new(scope.at("position_embeddings"), spec.num_positions, spec.size, counts_from)?;
        let token_types = match spec.num_token_types {
            Some(count) => Some(Embedding::new(scope.at("token_type_embeddings"), count, spec.size, None)?),
            None => None,
        };
        let norm = LayerNorm::new(scope.at("LayerNorm"), spec.size, spec.epsilon)?;
        let (name, dropout) = (scope.module(), Dropout(spec.dropout));
        Ok(Self { name, words, positions, token_types, norm, dropout, counts_from })
    }

    /// `[batch, length, size]`.
    pub fn forward(&self, inputs: &Inputs, pass: &mut Pass) -> Result<Tensor> {
        let mut sum = self.words.forward(&inputs.ids)?;
        if let Some(table) = &self.token_types {
            sum = sum.f_add_(&match &inputs.token_types {
                Some(types) => table.forward(types)?,
                None => table.first(1)?,
            })?;
        }
        let positions = match self.counts_from {
            Some(padding) => self.positions.forward(&positions(&inputs.ids, padding)?)?,
            None => self.positions.first(inputs.length)?,
        };
        let embedded = self.dropout.forward(self.norm.forward(&sum.f_add_(&positions)?)?, pass)?;
        pass.module(&self.name, &embedded);
        Ok(embedded)
    }
}

/// The position of each token `[batch, length]`: tokens that are not padding are counted from the padding's id + 1 on, and
/// padding stands at its own id.
fn positions(ids: &Tensor, padding: i64) -> Result<Tensor> {
    let is_token = ids.f_ne(padding)?.f_to_kind(Kind::Int64)?;
    Ok(is_token.f_cumsum(1, Kind::Int64)?.f_mul(&is_token)?.f_add_scalar(padding)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_tokens_from_the_padding_on() {
        let ids = Tensor::from_slice2(&[[0_i64, 7, 1, 1], [1, 0, 7, 2]]);
        let expected = Tensor::from_slice2(&[[2_i64, 3, 1, 1], [1, 2, 3, 4]]);
        assert!(positions(&ids, 1).unwrap().equal(&expected));
    }
}
