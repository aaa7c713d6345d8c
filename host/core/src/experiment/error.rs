use std::path::PathBuf;

use crate::Fault;

/// What is wrong with an experiment file.
#[derive(Debug, thiserror::Error)]
pub enum ExperimentError {
    #[error("cannot read the experiment {}: {source}. Name another file with --config", path.display())]
    Read { path: PathBuf, source: std::io::Error },

    #[error("{}: not valid {format}: {message}", path.display())]
    Syntax { path: PathBuf, format: &'static str, message: String },

    /// A key that does not exist, or a value of the wrong type.
    #[error("{}: {}{message}", path.display(), prefix(key))]
    Key { path: PathBuf, key: String, message: String },

    /// Keys that do not fit together.
    #[error("{key}: {message}")]
    Combination { key: &'static str, message: String },

    /// A plugin that has no place in the run, or is no file that can be named so.
    #[error("{key}: {message}")]
    Plugin { key: String, message: String },

    #[error("--set {argument}: {message}")]
    Override { argument: String, message: String },
}

impl ExperimentError {
    pub fn fault(&self) -> Fault {
        Fault::Input
    }
}

fn prefix(key: &str) -> String {
    if key.is_empty() || key == "." { String::new() } else { format!("{key}: ") }
}
