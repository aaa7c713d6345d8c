use tch::Tensor;

use super::config::BertConfig;
use crate::Result;
use crate::model::Mode;
use crate::model::builder::Scope;
use crate::model::inputs::Inputs;
use crate::model::nn::{Dropout, Embedding, LayerNorm};

/// The sum of word, position and token type embeddings, normalized.
pub(super) struct Embeddings {
    words: Embedding,
    positions: Embedding,
    token_types: Embedding,
    norm: LayerNorm,
    dropout: Dropout,
}

impl Embeddings {
    pub fn new(mut scope: Scope, config: &BertConfig) -> Result<Self> {
        let size = config.hidden_size;
        Ok(Self {
            words: Embedding::new(scope.at("word_embeddings"), config.vocab_size, size, config.pad_token_id)?,
            positions: Embedding::new(scope.at("position_embeddings"), config.max_position_embeddings, size, None)?,
            token_types: Embedding::new(scope.at("token_type_embeddings"), config.type_vocab_size, size, None)?,
            norm: LayerNorm::new(scope.at("LayerNorm"), size, config.layer_norm_eps)?,
            dropout: Dropout(config.hidden_dropout_prob),
        })
    }

    /// `[batch, length, hidden]`.
    pub fn forward(&self, inputs: &Inputs, mode: Mode) -> Result<Tensor> {
        let types = match &inputs.token_types {
            Some(types) => self.token_types.forward(types)?,
            None => self.token_types.first(1)?,
        };
        let positions = self.positions.first(inputs.length)?;
        let sum = self.words.forward(&inputs.ids)?.f_add_(&types)?.f_add_(&positions)?;
        self.dropout.forward(self.norm.forward(&sum)?, mode)
    }
}
