use std::path::PathBuf;

use crate::Fault;

/// What is wrong with a model's folder or with what it was given.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
}

impl ModelError {
    pub fn fault(&self) -> Fault {
        Fault::Input
    }
}
