use std::ops::Range;
use std::path::{Path, PathBuf};

use indexmap::IndexSet;

use super::column::{ATTENTION_MASK, Column, LABELS, Numbers, Shape};
use super::teacher_outputs::TeacherOutputs;
use super::{DataConfig, DataError, ReadProgress, read};
use crate::digest;
use crate::model::ModelSpec;

/// Examples in memory, checked against the model that will see them.
#[derive(Debug)]
pub struct Dataset {
    /// The file that it was read from.
    pub(super) path: PathBuf,
    /// Where the tokens of each example begin in the columns that have a number for each token, and where the last
    /// one's end.
    pub(super) offsets: Vec<usize>,
    /// `input_ids` first.
    pub(super) columns: Vec<Column>,
    pub(super) truncated: usize,
    pub(super) ignored: Vec<String>,
    /// Whether any row had the column that the configuration's `label` names.
    pub(super) has_label_column: bool,
    /// Whether its tokens were made of texts.
    pub(super) is_tokenized: bool,
    /// Whether its rows have a part for each model.
    pub(super) is_split: bool,
    pub(super) teacher_outputs: Option<TeacherOutputs>,
}

/// For whom rows are read that have a part for each model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    Student,
    Teacher,
}

impl Dataset {
    /// Reads a file of examples (`.jsonl`, `.json`: an object a line).
    ///
    /// Rows with `input_ids` are taken as they are, with every other column of numbers: one number, a list as long as
    /// `input_ids`, or a list of the same length in every row. Otherwise the text of each row is tokenized with the
    /// file `tokenizer`; then there are `input_ids`, and `token_type_ids` if the model has a vocabulary of two types
    /// or more.
    ///
    /// `labels` is there if any row has a label; a row without one gets −100, or NaN where labels are numbers, which losses
    /// ignore.
    ///
    /// Rows may have an object for each model, `student` and `teacher`, with these columns in them; columns beside the
    /// two belong to both.
    ///
    /// `on_read` is told at the start and every 1,024 rows how far the file is read.
    ///
    /// # Errors
    /// The first thing that is wrong, with its file and line.
    pub fn read(
        path: &Path,
        config: &DataConfig,
        model: &ModelSpec,
        tokenizer: Option<&Path>,
        on_read: &dyn Fn(&ReadProgress<'_>),
    ) -> Result<Self, DataError> {
        read::read(path, config, model, tokenizer, Reader::Student, on_read)
    }

    /// As [`Dataset::read`], with the part of each row that is the teacher's where rows have parts.
    pub fn read_for_teacher(
        path: &Path,
        config: &DataConfig,
        model: &ModelSpec,
        tokenizer: Option<&Path>,
        on_read: &dyn Fn(&ReadProgress<'_>),
    ) -> Result<Self, DataError> {
        read::read(path, config, model, tokenizer, Reader::Teacher, on_read)
    }

    /// Checks the columns that `config` names against all that was read by it: each must be in a row of some data set.
    /// Defaults need not be.
    ///
    /// # Errors
    /// The column that was looked for in vain.
    pub fn check_columns(config: &DataConfig, read: &[&Dataset]) -> Result<(), DataError> {
        let default = DataConfig::default();
        let unread = |key, column: &str, reason| {
            let paths: IndexSet<&PathBuf> = read.iter().map(|dataset| &dataset.path).collect();
            let paths = paths.into_iter().cloned().collect();
            Err(DataError::UnreadColumn { key, column: column.to_owned(), paths, reason })
        };
        if config.text != default.text && !read.iter().any(|dataset| dataset.is_tokenized) {
            let reason = "is read as text: they have `input_ids`. Remove the key".to_owned();
            return unread("data.text", &config.text.names().join(", "), reason);
        }
        if config.label != default.label && !read.iter().any(|dataset| dataset.has_label_column) {
            let others: IndexSet<&String> = read.iter().flat_map(|dataset| &dataset.ignored).collect();
            let others = others.into_iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            let unused = if others.is_empty() { String::new() } else { format!(" (unused columns: {others})") };
            return unread("data.label", &config.label, format!("has that column{unused}. Name one that is there"));
        }
        Ok(())
    }

    /// The number of examples, at least 1.
    #[expect(clippy::len_without_is_empty, reason = "an empty data set is refused when it is read")]
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// How many tokens an example has, padding in its row included.
    ///
    /// # Panics
    /// If there is no such example.
    pub fn length(&self, example: usize) -> usize {
        self.tokens(example).len()
    }

    /// The lengths of all examples; see [`Dataset::length`].
    pub fn lengths(&self) -> Vec<usize> {
        (0..self.len()).map(|example| self.length(example)).collect()
    }

    /// A digest of all that models read of the examples.
    pub(crate) fn digest(&self) -> String {
        let mut parts = vec![numbers_as_bytes(self.offsets.iter().map(|&offset| offset as i64))];
        for column in &self.columns {
            parts.push(format!("{} {:?} {}", column.name, column.shape, column.padding).into_bytes());
            parts.push(match &column.numbers {
                Numbers::Float(floats) => floats.iter().flat_map(|float| float.to_le_bytes()).collect(),
                integers => numbers_as_bytes(integers.ints()),
            });
        }
        parts.extend(self.teacher_outputs.iter().flat_map(TeacherOutputs::as_bytes));
        digest::of_parts(parts.iter().map(Vec::as_slice))
    }

    /// Whether its tokens were made of texts, by a tokenizer; otherwise they stood in the file.
    pub fn is_tokenized(&self) -> bool {
        self.is_tokenized
    }

    /// Whether its rows have a part for each model; otherwise all models read the same.
    pub fn is_split(&self) -> bool {
        self.is_split
    }

    /// Whether the teacher's outputs stand in the file, in the column `teacher_cache`.
    pub fn has_teacher_outputs(&self) -> bool {
        self.teacher_outputs.is_some()
    }

    /// Whether there is a column of labels.
    pub fn has_labels(&self) -> bool {
        self.column(LABELS).is_some()
    }

    pub(super) fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// How many tokens an example has, padding in its row left out.
    pub(super) fn num_tokens(&self, example: usize) -> usize {
        match self.column(ATTENTION_MASK) {
            Some(mask) => mask.numbers.ints_in(self.tokens(example)).filter(|&mask| mask == 1).count(),
            None => self.length(example),
        }
    }

    /// Where an example's numbers are in a column.
    pub(super) fn range(&self, shape: Shape, example: usize) -> Range<usize> {
        match shape {
            Shape::Single => example..example + 1,
            Shape::PerToken => self.tokens(example),
            Shape::Fixed(size) => example * size..(example + 1) * size,
        }
    }

    fn tokens(&self, example: usize) -> Range<usize> {
        self.offsets[example]..self.offsets[example + 1]
    }
}

fn numbers_as_bytes(numbers: impl Iterator<Item = i64>) -> Vec<u8> {
    numbers.flat_map(i64::to_le_bytes).collect()
}
