//! From the rows of a file to a data set: rows with `input_ids`, or texts.

mod parts;
mod progress;
mod texts;
mod tokens;

use std::path::Path;

use super::column::{ATTENTION_MASK, Column, INPUT_IDS, LABELS, TOKEN_TYPE_IDS};
use super::dataset::Reader;
use super::format::Row;
use super::teacher_outputs::{Growing, TEACHER_CACHE};
use super::{DataConfig, DataError, Dataset, format};
use crate::model::ModelSpec;

pub use progress::ReadProgress;
use progress::Teller;

/// What all rows of a file are read for.
struct Context<'a> {
    path: &'a Path,
    config: &'a DataConfig,
    model: &'a ModelSpec,
    /// The most tokens of an example.
    max_length: usize,
}

pub(super) fn read(
    path: &Path,
    config: &DataConfig,
    model: &ModelSpec,
    tokenizer: Option<&Path>,
    reader: Reader,
    on_read: &dyn Fn(&ReadProgress<'_>),
) -> Result<Dataset, DataError> {
    let limit = model.inputs.max_length.unwrap_or(usize::MAX);
    let max_length = config.max_length.map_or(limit, |length| length.get());
    if max_length > limit {
        return Err(DataError::MaxLength { found: max_length, limit });
    }
    let context = Context { path, config, model, max_length };
    let mut rows = format::open(path)?;
    let mut teller = Teller::new(path, on_read)?;
    let first = rows.next().ok_or_else(|| DataError::Empty { path: path.to_owned() })??;
    let is_split = parts::is_split(&first.columns);
    let mut outputs = Growing::default();
    let mut take_parts = |Row { line, end, mut columns }: Row| {
        teller.count(end);
        if let Some(value) = columns.shift_remove(TEACHER_CACHE) {
            outputs.push(&value).map_err(|problem| DataError::row(path, line, problem))?;
        }
        if is_split {
            columns = parts::part(columns, reader).map_err(|problem| DataError::row(path, line, problem))?;
        }
        Ok(Row { line, end, columns })
    };
    let first = take_parts(first)?;
    let has_tokens = first.columns.contains_key(INPUT_IDS);
    let rows = std::iter::once(Ok(first)).chain(rows.map(|row| take_parts(row?)));
    let mut dataset = if has_tokens { tokens::read(rows, &context)? } else { texts::read(rows, &context, tokenizer)? };
    dataset.is_split = is_split;
    let outputs = outputs.finish(&dataset.offsets);
    dataset.teacher_outputs = outputs.map_err(|message| DataError::TeacherCache { path: path.to_owned(), message })?;
    Ok(dataset)
}

/// Puts the columns into the order in which models name them, the others behind.
fn in_order(mut columns: Vec<Column>) -> Vec<Column> {
    const ORDER: [&str; 4] = [INPUT_IDS, ATTENTION_MASK, TOKEN_TYPE_IDS, LABELS];
    columns.sort_by_key(|column| ORDER.iter().position(|name| *name == column.name).unwrap_or(ORDER.len()));
    columns
}
