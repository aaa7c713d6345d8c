//! Rows that hold one example twice, as the student reads it and as the teacher does.

use serde_json::{Map, Value};

use crate::data::RowError;
use crate::data::dataset::Reader;
use crate::data::value::describe;

const STUDENT: &str = "student";
const TEACHER: &str = "teacher";

/// Whether a row has a part for each model.
pub(super) fn is_split(columns: &Map<String, Value>) -> bool {
    columns.get(STUDENT).is_some_and(Value::is_object) || columns.get(TEACHER).is_some_and(Value::is_object)
}

/// A row as one model reads it: its part, with the columns that stand beside the parts.
pub(super) fn part(mut columns: Map<String, Value>, reader: Reader) -> Result<Map<String, Value>, RowError> {
    let parts = [STUDENT, TEACHER].map(|name| (name, columns.shift_remove(name)));
    for (name, part) in parts {
        let part = part.ok_or_else(|| RowError::Missing { column: name.to_owned() })?;
        let Value::Object(part) = part else {
            let expected = "an object with the columns of that model".to_owned();
            return Err(RowError::WrongType { column: name.to_owned(), found: describe(&part), expected });
        };
        let is_own = match reader {
            Reader::Student => name == STUDENT,
            Reader::Teacher => name == TEACHER,
        };
        if is_own {
            columns.extend(part);
        }
    }
    Ok(columns)
}
