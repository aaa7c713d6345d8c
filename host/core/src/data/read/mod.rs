//! From the rows of a file to a data set: rows with `input_ids`, or texts.

mod texts;
mod tokens;

use std::path::Path;

use super::column::{ATTENTION_MASK, Column, INPUT_IDS, LABELS, TOKEN_TYPE_IDS};
use super::{DataConfig, DataError, Dataset, format};
use crate::model::ModelInfo;

/// What all rows of a file are read for.
struct Context<'a> {
    path: &'a Path,
    config: &'a DataConfig,
    model: &'a ModelInfo,
    /// The most tokens of an example.
    max_length: usize,
}

pub(super) fn read(
    path: &Path,
    config: &DataConfig,
    model: &ModelInfo,
    tokenizer: Option<&Path>,
) -> Result<Dataset, DataError> {
    let max_length = config.max_length.map_or(model.max_length, |length| length.get());
    if max_length > model.max_length {
        return Err(DataError::MaxLength { found: max_length, limit: model.max_length });
    }
    let context = Context { path, config, model, max_length };
    let mut rows = format::open(path)?;
    let first = rows.next().ok_or_else(|| DataError::Empty { path: path.to_owned() })??;
    let has_tokens = first.columns.contains_key(INPUT_IDS);
    let rows = std::iter::once(Ok(first)).chain(rows);
    if has_tokens { tokens::read(rows, &context) } else { texts::read(rows, &context, tokenizer) }
}

/// Puts the columns into the order in which models name them, the others behind.
fn in_order(mut columns: Vec<Column>) -> Vec<Column> {
    const ORDER: [&str; 4] = [INPUT_IDS, ATTENTION_MASK, TOKEN_TYPE_IDS, LABELS];
    columns.sort_by_key(|column| ORDER.iter().position(|name| *name == column.name).unwrap_or(ORDER.len()));
    columns
}
