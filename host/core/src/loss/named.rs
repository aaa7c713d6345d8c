use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::LossError;
use crate::Result;

/// A name, or a list of a name and its parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a name or a list of a name and its parameters")]
pub enum NameAndParameters {
    Name(String),
    WithParameters(Vec<Value>),
}

/// Why a name and its parameters make nothing.
pub(crate) enum Unfit {
    UnknownName,
    /// The name is known; this is how it is written.
    Parameters(&'static str),
}

impl NameAndParameters {
    /// The name alone; empty where the list does not begin with one.
    pub fn name(&self) -> &str {
        match self {
            NameAndParameters::Name(name) => name,
            NameAndParameters::WithParameters(list) => list.first().and_then(Value::as_str).unwrap_or_default(),
        }
    }

    /// What `make` makes of the name and its numbers. `key` is where they stand, `known` all names.
    pub(crate) fn make<T>(
        &self,
        key: &str,
        known: &'static [&'static str],
        make: impl FnOnce(&str, &[f64]) -> Result<T, Unfit>,
    ) -> Result<T> {
        let parameters = match self {
            NameAndParameters::Name(_) => &[][..],
            NameAndParameters::WithParameters(list) => list.get(1..).unwrap_or_default(),
        };
        let wrong = |expected: &str| LossError::Value {
            key: key.to_owned(),
            found: serde_json::to_string(self).unwrap_or_default(),
            expected: expected.to_owned(),
        };
        let numbers: Option<Vec<f64>> = parameters.iter().map(Value::as_f64).collect();
        let numbers = numbers.ok_or_else(|| wrong("numbers as parameters"))?;
        let made = make(self.name(), &numbers).map_err(|unfit| match unfit {
            Unfit::Parameters(expected) => wrong(expected),
            Unfit::UnknownName => LossError::UnknownName { key: key.to_owned(), name: self.name().to_owned(), known },
        });
        Ok(made?)
    }
}

impl fmt::Display for NameAndParameters {
    /// `ce`, `js 0.5`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())?;
        if let NameAndParameters::WithParameters(list) = self {
            for parameter in list.iter().skip(1) {
                write!(formatter, " {parameter}")?;
            }
        }
        Ok(())
    }
}
