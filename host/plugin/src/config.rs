//! A plugin's configuration against the schema in its manifest.

use jsonschema::PatternOptions;
use serde_json::Value;

use crate::{error::LoadProblem, log::clean};

/// Refuses a configuration that does not fit. The schema is a stranger's: it cannot name files or addresses, and its
/// patterns are matched in linear time.
pub(crate) fn check(schema: &Value, config: &Value) -> Result<(), LoadProblem> {
    let validator =
        jsonschema::options().with_pattern_options(PatternOptions::regex()).build(schema).map_err(|error| {
            LoadProblem::Manifest(format!("its `config_schema` is no JSON Schema: {}", clean(&error.to_string())))
        })?;
    let Err(error) = validator.validate(config) else { return Ok(()) };
    let place = error.instance_path().to_string();
    let place =
        if place.is_empty() { String::new() } else { format!("{}: ", place.trim_start_matches('/').replace('/', ".")) };
    Err(LoadProblem::Config { problem: clean(&format!("{place}{error}")) })
}
