//! Models in Hugging Face layout: `config.json` beside `model.safetensors` or `pytorch_model.bin`, or beside several files and
//! `model.safetensors.index.json` or `pytorch_model.bin.index.json`.

mod config;
mod fill;
mod mismatch;
mod pickle;
mod read;
mod torch_file;
mod weights_file;
mod write;

pub use config::ModelConfig;
pub(super) use config::{DEFAULT_LABELS, PROBLEM_TYPE};
pub(super) use fill::{Filled, fill};
pub use mismatch::Mismatch;
pub(super) use read::Checkpoint;
pub(super) use write::write;
