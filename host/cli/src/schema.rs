use std::process::ExitCode;

use anyhow::Result;

use crate::output;

/// Prints the JSON Schema of the experiment file.
pub fn schema() -> Result<ExitCode> {
    output::unwrapped(&serde_json::to_string_pretty(&brewer_plugin_host::experiment_schema())?)?;
    Ok(ExitCode::SUCCESS)
}
