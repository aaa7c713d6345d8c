use std::io;

use tch::TchError;

use crate::libtorch;

/// What most functions of this crate return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Whose fault an error is; it decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Something that the user gave is wrong: an experiment, data, a checkpoint, a plugin file.
    Input,
    /// Something went wrong while running: a full disk, a plugin that failed, a loss that is not finite.
    Run,
}

/// Any error of this crate. Each part of the crate has its own type, which names the thing, what was found, what was
/// expected and the next step.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of a variant says what it is and what its fields are")]
pub enum Error {
    #[error(transparent)]
    Model(#[from] crate::model::ModelError),
    #[error(transparent)]
    Data(#[from] crate::data::DataError),
    #[error(transparent)]
    Cache(#[from] crate::cache::CacheError),
    #[error(transparent)]
    Digest(#[from] crate::DigestError),
    #[error(transparent)]
    Device(#[from] crate::device::DeviceError),
    #[error(transparent)]
    Experiment(#[from] crate::experiment::ExperimentError),
    #[error(transparent)]
    Loss(Box<crate::loss::LossError>),
    #[error(transparent)]
    Train(#[from] crate::train::TrainError),
    /// libtorch refused an operation.
    #[error("libtorch: {}", libtorch::message(.0))]
    Tensor(#[from] TchError),
    #[error(transparent)]
    OutOfMemory(Box<crate::out_of_memory::OutOfMemory>),
    /// What a plugin reported, or what went wrong in it.
    #[error("{0}")]
    Plugin(Box<dyn PluginError>),
}

/// An error that a plugin's host reports through a trait of this crate.
pub trait PluginError: std::error::Error + Send + Sync + 'static {
    /// Whose fault it is.
    fn fault(&self) -> Fault;
}

impl From<crate::loss::LossError> for Error {
    fn from(error: crate::loss::LossError) -> Self {
        Error::Loss(Box::new(error))
    }
}

impl Error {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Error::Model(error) => error.fault(),
            Error::Data(error) => error.fault(),
            Error::Cache(error) => error.fault(),
            Error::Digest(error) => error.fault(),
            Error::Device(error) => error.fault(),
            Error::Experiment(error) => error.fault(),
            Error::Loss(error) => error.fault(),
            Error::Train(error) => error.fault(),
            Error::Tensor(_) | Error::OutOfMemory(_) => Fault::Run,
            Error::Plugin(error) => error.fault(),
        }
    }
}

/// Why the operating system refused a file, as a sentence ends with it.
pub fn os_reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "it does not exist".to_owned(),
        io::ErrorKind::IsADirectory => "it is a folder; expected a file".to_owned(),
        io::ErrorKind::NotADirectory => "a part of the path is a file; expected a folder".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        // What reading a text reports of bytes that are none.
        io::ErrorKind::InvalidData if error.raw_os_error().is_none() => "it is not text in UTF-8".to_owned(),
        io::ErrorKind::AlreadyExists => "a file of that name exists".to_owned(),
        _ => {
            let text = error.to_string();
            text.split(" (os error ").next().unwrap_or(&text).to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_is_quoted_without_numbers() {
        assert_eq!(os_reason(&io::Error::from_raw_os_error(28)), "No space left on device");
        assert_eq!(os_reason(&io::Error::from_raw_os_error(21)), "it is a folder; expected a file");
        assert_eq!(os_reason(&io::Error::other("of its own words")), "of its own words");
    }
}
