//! Weights in Hugging Face layout: `config.json` beside `model.safetensors`, or beside several files and
//! `model.safetensors.index.json`.

mod fill;
mod mismatch;
mod read;
mod write;

pub(super) use fill::{Filled, fill};
pub use mismatch::Mismatch;
pub(super) use read::Checkpoint;
pub(super) use write::write;
