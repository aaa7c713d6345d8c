use std::path::Path;

use serde_json::{Map, Value};

use super::column::{Column, LABELS, Number, Numbers, Shape};
use super::value::{shorten, wrong_element, wrong_type};
use super::{DataError, RowError};
use crate::model::ModelInfo;

/// The label that losses ignore.
const IGNORED: i64 = -100;

/// Collects the labels of rows.
pub(super) struct Labels<'a> {
    column: &'a str,
    model: &'a ModelInfo,
    numbers: Numbers,
    any: bool,
    /// Whether any label is one that counts.
    any_counts: bool,
    /// Whether any row had the column that the configuration names.
    is_named: bool,
}

impl<'a> Labels<'a> {
    pub fn new(column: &'a str, model: &'a ModelInfo) -> Self {
        Self { column, model, numbers: Numbers::new(), any: false, any_counts: false, is_named: false }
    }

    /// Whether labels are read from this column.
    pub fn is_label(&self, column: &str) -> bool {
        column == self.column || column == LABELS
    }

    /// Takes the label of the next row, or its labels if the model has one for each token. `tokens` is the length of
    /// `input_ids`, `None` if the row is a text.
    pub fn push(&mut self, row: &Map<String, Value>, tokens: Option<usize>) -> Result<(), RowError> {
        let label = self.find(row)?;
        self.any |= label.is_some();
        self.is_named |= row.contains_key(self.column);
        match (label, self.model.labels_per_token, tokens) {
            (Some((column, value)), true, Some(tokens)) => self.push_list(column, value, tokens)?,
            (Some((column, _)), true, None) => return Err(RowError::NeedsTokens { column: column.to_owned() }),
            (Some((column, value)), false, _) => {
                let class = self.class(value)?.ok_or_else(|| {
                    let expected = format!("{}: the model has one label for each example", self.expected());
                    wrong_type(column, value, expected)
                })?;
                self.push_class(class);
            }
            (None, true, tokens) => (0..tokens.unwrap_or(0)).for_each(|_| self.numbers.push(Number::Int(IGNORED))),
            (None, false, _) => self.numbers.push(Number::Int(IGNORED)),
        }
        Ok(())
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
        let shape = if self.model.labels_per_token { Shape::PerToken } else { Shape::Single };
        let column = Column { name: LABELS.to_owned(), numbers: self.numbers, shape, padding: IGNORED };
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

    fn push_list(&mut self, column: &str, value: &Value, tokens: usize) -> Result<(), RowError> {
        let labels = value
            .as_array()
            .ok_or_else(|| wrong_type(column, value, "a list of labels: the model has one for each token"))?;
        if labels.len() != tokens {
            let expected = format!("{tokens}, as many as `input_ids`");
            return Err(RowError::Length { column: column.to_owned(), found: labels.len(), expected });
        }
        for (position, label) in labels.iter().enumerate() {
            let class = self.class(label)?.ok_or_else(|| wrong_element(column, position, label, self.expected()))?;
            self.push_class(class);
        }
        Ok(())
    }

    fn push_class(&mut self, class: i64) {
        self.any_counts |= class != IGNORED;
        self.numbers.push(Number::Int(class));
    }

    /// The index of a label; `None` if the value cannot be one.
    fn class(&self, value: &Value) -> Result<Option<i64>, RowError> {
        match value {
            Value::String(name) if !self.model.labels.is_empty() => self.named(name).map(Some),
            value => Ok(value.as_i64().filter(|class| (0..self.num_classes()).contains(class) || *class == IGNORED)),
        }
    }

    fn named(&self, name: &str) -> Result<i64, RowError> {
        let known = &self.model.labels;
        known.iter().position(|label| label == name).map(|class| class as i64).ok_or_else(|| RowError::UnknownLabel {
            found: shorten(name),
            nearest: nearest(name, known),
            known: known.clone(),
        })
    }

    /// A model without label names predicts tokens.
    fn num_classes(&self) -> i64 {
        match self.model.labels.len() {
            0 => self.model.vocab_size,
            labels => labels as i64,
        }
    }

    fn expected(&self) -> String {
        let names = if self.model.labels.is_empty() { "" } else { ", the name of a label," };
        format!("an integer from 0 to {}{names} or {IGNORED} for none", self.num_classes() - 1)
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
