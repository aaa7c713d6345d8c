use std::io;
use std::path::PathBuf;

use crate::Fault;
use crate::error::os_reason;
use crate::memory::in_gigabytes;

/// What is wrong with a cache of a teacher's outputs.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of a variant says what it is and what its fields are")]
pub enum CacheError {
    /// It was made of something else than what this run would make.
    #[error(
        "the teacher cache {} was made with another {what} ({found}; this run has {expected}); remove the folder to \
         make it again, or name another in the teacher's `cache.path`",
        path.display()
    )]
    Stale { path: PathBuf, what: &'static str, found: String, expected: String },

    #[error(
        "{}: not a teacher cache: {message}; remove the folder to make it again, or name another in the teacher's \
         `cache.path`",
        path.display()
    )]
    Broken { path: PathBuf, message: String },

    /// Values that are not those which were written.
    #[error(
        "the teacher cache {} is damaged: the values of example {example}, counted from 0, are not those that were \
         written there (their checksum differs); `brewer-host cache` with this experiment checks all examples and \
         computes the damaged ones again",
        path.display()
    )]
    Damaged { path: PathBuf, example: usize },

    #[error(
        "the teacher cache {} is being filled by {holder}; start again when that has ended, or name another folder in \
         the teacher's `cache.path`",
        path.display()
    )]
    Locked { path: PathBuf, holder: String },

    #[error("cannot read {}: {}", path.display(), os_reason(source))]
    Read { path: PathBuf, source: io::Error },

    #[error("cannot write {}: {}", path.display(), os_reason(source))]
    Write { path: PathBuf, source: io::Error },

    /// A tensor that is not a row for each example.
    #[error(
        "the {teacher}'s `{name}` cannot be cached: it is {found} for {batch}; expected the batch as its first \
         dimension, and others that stay or grow with the length of the input"
    )]
    NotByExample { teacher: String, name: String, found: String, batch: String },

    /// A cache in memory that no memory holds.
    #[error(
        "a cache of the teacher in memory would take {} GB, and this machine has {} GB; give the teacher a cache on disk \
         (`\"cache\": {{ \"path\": … }}`), or remove `is_caching_logits`",
        in_gigabytes(u128::from(*num_bytes)),
        in_gigabytes(u128::from(*total))
    )]
    Memory { num_bytes: u64, total: u64 },

    /// A loss that reads what stands in the padding.
    #[error(
        "the {teacher} cannot be cached: {part} counts what it computes for padding ({live} with the teacher, \
         {cached} with its cache), and a cache holds no padding; have the adaptor return `inputs_mask` for matches \
         and `logits_mask` for logits of each token, or remove the teacher's `cache`"
    )]
    Padding { teacher: String, part: String, live: f64, cached: f64 },

    /// Features that do not fit what the cache was laid out for.
    #[error("the features of a batch do not fit the teacher cache: {name} is {found}; expected {expected}")]
    Misfit { name: String, found: String, expected: String },
}

impl CacheError {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            CacheError::Stale { .. }
            | CacheError::Broken { .. }
            | CacheError::Damaged { .. }
            | CacheError::Locked { .. }
            | CacheError::NotByExample { .. }
            | CacheError::Memory { .. }
            | CacheError::Padding { .. }
            | CacheError::Misfit { .. } => Fault::Input,
            CacheError::Read { .. } | CacheError::Write { .. } => Fault::Run,
        }
    }
}
