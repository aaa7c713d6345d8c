//! Reading numbers out of JSON values.

use serde_json::Value;

use super::RowError;
use super::column::Number;

/// The number in a value; `None` if it is something else.
pub(super) fn number(value: &Value) -> Option<Number> {
    let number = value.as_number()?;
    number.as_i64().map(Number::Int).or_else(|| number.as_f64().map(|float| Number::Float(float as f32)))
}

/// The list of a column whose elements belong to tokens.
pub(super) fn list<'v>(column: &str, value: &'v Value) -> Result<&'v [Value], RowError> {
    value.as_array().map(Vec::as_slice).ok_or_else(|| wrong_type(column, value, "a list of integers"))
}

/// An element of a list that is not as it should be. Positions count from 0, as in Python.
pub(super) fn wrong_element(column: &str, position: usize, found: &Value, expected: impl Into<String>) -> RowError {
    RowError::WrongElement { column: column.to_owned(), position, found: describe(found), expected: expected.into() }
}

pub(super) fn wrong_type(column: &str, found: &Value, expected: impl Into<String>) -> RowError {
    RowError::WrongType { column: column.to_owned(), found: describe(found), expected: expected.into() }
}

/// A value as messages show it: short, whatever it holds.
pub(super) fn describe(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => format!("the text \"{}\"", shorten(text)),
        Value::Array(elements) => format!("a list of {}", elements.len()),
        Value::Object(_) => "an object".to_owned(),
    }
}

/// The beginning of a text, as messages show it.
pub(super) fn shorten(text: &str) -> String {
    const SHOWN: usize = 40;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
