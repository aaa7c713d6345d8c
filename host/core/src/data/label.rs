use std::path::Path;

use serde_json::{Map, Value};

use super::column::{Column, LABELS, Number, Numbers, Shape};
use super::value::{shorten, wrong_element, wrong_type};
use super::{DataError, RowError};
use crate::Task;
use crate::task::{IGNORED_LABEL, LabelProblem, LabelShape};

/// Collects the labels of rows.
pub(super) struct Labels<'a> {
    column: &'a str,
    task: &'a Task,
    numbers: Numbers,
    any: bool,
    /// Whether any label is one that counts.
    any_counts: bool,
    /// Whether any row had the column that the configuration names.
    is_named: bool,
}

impl<'a> Labels<'a> {
    pub fn new(column: &'a str, task: &'a Task) -> Self {
        Self { column, task, numbers: Numbers::new(), any: false, any_counts: false, is_named: false }
    }

    /// Whether labels are read from this column.
    pub fn is_label(&self, column: &str) -> bool {
        column == self.column || column == LABELS
    }

    /// Takes the label of the next row. `tokens` is the length of `input_ids`, `None` if the row is a text.
    pub fn push(&mut self, row: &Map<String, Value>, tokens: Option<usize>) -> Result<(), RowError> {
        let label = self.find(row)?;
        self.any |= label.is_some();
        self.is_named |= row.contains_key(self.column);
        let labels = match label {
            Some((column, value)) => {
                self.task.read_label(value, tokens).map_err(|problem| self.row_error(column, value, problem))?
            }
            None => vec![self.task.no_label(); self.count(tokens)],
        };
        let is_class = self.task.labels_are_classes();
        for label in labels {
            self.any_counts |= if is_class { label != IGNORED_LABEL as f64 } else { !label.is_nan() };
            self.numbers.push(if is_class { Number::Int(label as i64) } else { Number::Float(label as f32) });
        }
        Ok(())
    }

    /// How many labels a row has.
    fn count(&self, tokens: Option<usize>) -> usize {
        match self.task.label_shape() {
            LabelShape::Single => 1,
            LabelShape::PerToken => tokens.unwrap_or(0),
            LabelShape::PerOutput(count) => count,
        }
    }

    fn row_error(&self, column: &str, value: &Value, problem: LabelProblem) -> RowError {
        match problem {
            LabelProblem::Value { expected } => wrong_type(column, value, expected),
            LabelProblem::Element { position, expected } => {
                wrong_element(column, position, value.get(position).unwrap_or(&Value::Null), expected)
            }
            LabelProblem::Length { found, expected } => RowError::Length { column: column.to_owned(), found, expected },
            LabelProblem::Unknown { name } => {
                let known = self.task.labels();
                RowError::UnknownLabel { found: shorten(&name), nearest: nearest(&name, known), known: known.to_vec() }
            }
            LabelProblem::NeedsTokens => RowError::NeedsTokens { column: column.to_owned() },
        }
    }

    /// Whether any row so far had the column that the configuration names.
    pub fn is_named(&self) -> bool {
        self.is_named
    }

    /// The column `labels`, unless no row of `path` had any.
    ///
    /// # Errors
    /// If there are labels of which none counts.
    pub fn finish(self, path: &Path) -> Result<Option<Column>, DataError> {
        if self.any && !self.any_counts {
            return Err(DataError::NoLabels { path: path.to_owned() });
        }
        let shape = match self.task.label_shape() {
            LabelShape::Single => Shape::Single,
            LabelShape::PerToken => Shape::PerToken,
            LabelShape::PerOutput(count) => Shape::Fixed(count),
        };
        let column = Column { name: LABELS.to_owned(), numbers: self.numbers, shape, padding: IGNORED_LABEL };
        Ok(self.any.then_some(column))
    }

    fn find<'r>(&self, row: &'r Map<String, Value>) -> Result<Option<(&'r str, &'r Value)>, RowError> {
        let label = |name: &str| row.get_key_value(name).filter(|(_, value)| !value.is_null());
        let own = label(self.column);
        let common = label(LABELS).filter(|_| self.column != LABELS);
        match (own, common) {
            (Some((first, _)), Some((second, _))) => {
                Err(RowError::TwoLabels { first: first.clone(), second: second.clone() })
            }
            (own, common) => Ok(own.or(common).map(|(name, value)| (name.as_str(), value))),
        }
    }
}

/// The known name most like the one found, if any is like it at all.
fn nearest(found: &str, known: &[String]) -> Option<String> {
    const ALIKE: f64 = 0.75;
    let found = found.to_lowercase();
    let alike = known.iter().map(|label| (strsim::jaro_winkler(&found, &label.to_lowercase()), label));
    let best = alike.filter(|(likeness, _)| *likeness >= ALIKE).max_by(|left, right| left.0.total_cmp(&right.0));
    best.map(|(_, label)| label.clone())
}
