use std::path::PathBuf;

use crate::Fault;
use crate::error::os_reason;

/// What is wrong with an experiment file.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of a variant says what it is and what its fields are")]
pub enum ExperimentError {
    #[error("cannot read the experiment {}: {}; name another file with --config", path.display(), os_reason(source))]
    Read { path: PathBuf, source: std::io::Error },

    #[error("{}: not valid {format}: {message}", path.display())]
    Syntax { path: PathBuf, format: &'static str, message: String },

    /// A key that does not exist, or a value of the wrong type.
    #[error("{}: {}{message}", path.display(), prefix(key))]
    Key { path: PathBuf, key: String, message: String },

    /// Keys that do not fit together.
    #[error("{key}: {message}")]
    Combination { key: &'static str, message: String },

    /// A key that changes nothing beside the others.
    #[error("{key} has no effect {reason}")]
    NoEffect { key: String, reason: String },

    #[error("the path {} is not valid UTF-8, so the record of a run cannot hold it; rename it", path.display())]
    Path { path: PathBuf },

    /// A plugin that has no place in the run, or is no file that can be named so.
    #[error("{key}: {message}")]
    Plugin { key: String, message: String },

    #[error("--set {argument}: {message}")]
    Override { argument: String, message: String },
}

impl ExperimentError {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        Fault::Input
    }
}

fn prefix(key: &str) -> String {
    if key.is_empty() || key == "." { String::new() } else { format!("{key}: ") }
}
