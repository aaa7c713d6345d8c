//! A plugin's configuration against the schema in its manifest.

use jsonschema::PatternOptions;
use serde_json::Value;

use crate::{error::LoadProblem, schema, text::clean};

/// The memory that one regular expression may take, in bytes.
const PATTERN_BYTES: usize = 1 << 20;

/// Refuses a configuration that does not fit. The schema is a stranger's: it cannot name files or addresses, its size is
/// bounded with all that it refers to, and its patterns are matched in linear time.
pub(crate) fn check(schema: &Value, config: &Value) -> Result<(), LoadProblem> {
    let unfit = |problem: &str| LoadProblem::Manifest(format!("its `config_schema` is no JSON Schema: {problem}"));
    schema::check(schema)
        .map_err(|problem| LoadProblem::Manifest(format!("its `config_schema` is refused: {problem}")))?;
    let patterns = PatternOptions::regex().size_limit(PATTERN_BYTES).dfa_size_limit(PATTERN_BYTES);
    let validator = jsonschema::options().with_pattern_options(patterns).build(schema);
    let validator = validator.map_err(|error| unfit(&error.to_string()))?;
    let Err(error) = validator.validate(config) else { return Ok(()) };
    let place = error.instance_path().to_string();
    let place =
        if place.is_empty() { String::new() } else { format!("{}: ", place.trim_start_matches('/').replace('/', ".")) };
    Err(LoadProblem::Config { problem: clean(&format!("{place}{error}")) })
}
