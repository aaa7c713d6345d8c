//! Examples: from a file to batches.
//!
//! ```text
//! file ─► Format ─► rows ─► tokenizer, checks ─► Dataset ─► Loader (Order) ─► Batch
//! ```
//!
//! A [`Dataset`] holds all examples in memory, tokenized and checked once, so that nothing in an epoch can fail for
//! the data's sake. A [`Loader`] goes through it in an [`Order`] and makes the batches ahead of their use.

mod collate;
mod column;
mod config;
mod dataset;
mod error;
mod format;
mod label;
mod loader;
mod order;
mod prefetch;
mod read;
mod summary;
mod teacher_outputs;
mod tokenizer;
mod value;
mod views;
mod vocabulary;

pub use config::{DataConfig, TextColumns};
pub use dataset::Dataset;
pub use error::{DataError, RowError};
pub use loader::Loader;
pub use order::Order;
pub use read::ReadProgress;
pub use summary::Summary;
pub use views::{ModelBatches, Ready, TeacherInput, TeacherView, Views};
pub use vocabulary::tokenizer_in;
pub(crate) use vocabulary::{tokenizer_files, unread_tokenizer};
