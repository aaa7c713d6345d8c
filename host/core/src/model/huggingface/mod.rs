//! Models in Hugging Face layout: `config.json` beside `model.safetensors`, or beside several files and
//! `model.safetensors.index.json`.

mod config;
mod fill;
mod mismatch;
mod read;
mod write;

pub use config::ModelConfig;
pub(super) use config::{DEFAULT_LABELS, PROBLEM_TYPE};
pub(super) use fill::{Filled, fill};
pub use mismatch::Mismatch;
pub(super) use read::Checkpoint;
pub(super) use write::write;
