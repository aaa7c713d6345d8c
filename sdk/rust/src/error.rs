use std::fmt;

use crate::bindings::brewer::plugin::tensor;
pub use crate::bindings::brewer::plugin::tensor::ErrorCode;

/// What most functions of this crate return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a plugin gives up, or why the host did not do what it was asked.
///
/// A message of your own becomes an error by `?` or `.into()`:
///
/// ```
/// # use brewer_sdk::Result;
/// fn one(length: usize) -> Result<()> {
///     if length != 1 {
///         return Err(format!("expected one tensor, found {length}").into());
///     }
///     Ok(())
/// }
/// # assert!(one(2).is_err());
/// ```
#[derive(Debug, Clone)]
pub struct Error {
    code: Option<ErrorCode>,
    message: String,
}

impl Error {
    /// The host's code, `None` for an error of the plugin's own.
    pub fn code(&self) -> Option<ErrorCode> {
        self.code
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl From<tensor::Error> for Error {
    fn from(error: tensor::Error) -> Self {
        Self { code: Some(error.code), message: error.message }
    }
}

impl From<String> for Error {
    fn from(message: String) -> Self {
        Self { code: None, message }
    }
}

impl From<&str> for Error {
    fn from(message: &str) -> Self {
        message.to_owned().into()
    }
}
