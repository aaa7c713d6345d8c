use std::path::Path;

use tokenizers::{EncodeInput, PostProcessor, Tokenizer, TruncationParams};

use super::{DataError, RowError, vocabulary};
use crate::model::ModelSpec;

/// The tokenizer of a model, set to cut texts to a length and to leave the padding to batches.
pub(super) struct TextTokenizer {
    tokenizer: Tokenizer,
}

/// What a text becomes.
pub(super) struct Tokens {
    pub ids: Vec<u32>,
    pub type_ids: Vec<u32>,
    /// Whether tokens were left out.
    pub is_truncated: bool,
}

impl TextTokenizer {
    /// Loads a `tokenizer.json`, or a vocabulary, for texts, or for pairs of texts, of at most `max_length` tokens. Of the
    /// truncation and padding that the file may ask for only the side stays from which texts are cut.
    pub fn load(path: &Path, model: &ModelSpec, is_pair: bool, max_length: usize) -> Result<Self, DataError> {
        let failed =
            |error: tokenizers::Error| DataError::Tokenizer { path: path.to_owned(), message: error.to_string() };
        let mut tokenizer = if vocabulary::is_vocabulary(path) {
            vocabulary::read(path).map_err(|message| DataError::Tokenizer { path: path.to_owned(), message })?
        } else {
            let unread = |source| DataError::Read { path: path.to_owned(), source };
            std::fs::read_to_string(path).map_err(unread)?.parse().map_err(failed)?
        };
        check_vocabulary(&tokenizer, path, model)?;
        // Less than this, and the crate would subtract below 0.
        let special = tokenizer.get_post_processor().map_or(0, |processor| processor.added_tokens(is_pair));
        if max_length <= special {
            return Err(DataError::NoRoom { tokenizer: path.to_owned(), found: max_length, special });
        }
        let direction = tokenizer.get_truncation().map(|truncation| truncation.direction).unwrap_or_default();
        let truncation = TruncationParams { max_length, direction, ..TruncationParams::default() };
        tokenizer.with_truncation(Some(truncation)).map_err(failed)?;
        tokenizer.with_padding(None);
        Ok(Self { tokenizer })
    }

    /// Tokenizes a text, or a pair of them, with the special tokens.
    pub fn encode(&self, first: &str, second: Option<&str>) -> Result<Tokens, RowError> {
        let input: EncodeInput = match second {
            None => first.into(),
            Some(second) => (first, second).into(),
        };
        let encoding = self.tokenizer.encode_fast(input, true);
        let encoding = encoding.map_err(|error| RowError::Tokenize { message: error.to_string() })?;
        match encoding.get_ids() {
            [] => Err(RowError::EmptyText),
            ids => Ok(Tokens {
                ids: ids.to_vec(),
                type_ids: encoding.get_type_ids().to_vec(),
                is_truncated: !encoding.get_overflowing().is_empty(),
            }),
        }
    }
}

/// Refuses a tokenizer that can make ids for which the model has no embedding.
fn check_vocabulary(tokenizer: &Tokenizer, path: &Path, model: &ModelSpec) -> Result<(), DataError> {
    let vocabulary = tokenizer.get_vocab(true);
    let largest = vocabulary.values().max().map_or(-1, |&id| i64::from(id));
    match model.inputs.vocab_size().filter(|vocab_size| largest >= *vocab_size) {
        Some(vocab_size) => {
            Err(DataError::Vocabulary { path: path.to_owned(), tokens: vocabulary.len(), largest, vocab_size })
        }
        None => Ok(()),
    }
}
