//! Models: a forward from a batch to named outputs, and named parameters.
//!
//! A model is a `Transformer` made of a body, maybe a pooler, and a head. A folder holds what a family
//! of models has of its own (`bert/`); `nn/` and `heads/` hold what families share. A new class of transformers is a
//! function that puts parts together, and its line in `registry.rs`.

mod bert;
mod builder;
mod checkpoint;
mod config;
mod create;
mod demand;
mod error;
mod heads;
mod inputs;
mod memory;
mod nn;
mod parameters;
mod registry;
mod taps;
mod transformer;

use std::path::Path;

use tch::Device;

pub use checkpoint::Mismatch;
pub use config::ModelConfig;
pub use create::{LoadOptions, Loaded, from_config, from_layers, load};
pub use error::ModelError;
pub use parameters::Parameters;

use crate::{Batch, OutputRequest, Outputs, Result};

/// Whether a forward is part of training: dropout is active in `Train` only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Train,
    Eval,
}

/// What the rest of a run needs to know of a model without knowing which it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelInfo {
    /// The name of its class in Hugging Face transformers, such as `BertForSequenceClassification`.
    pub architecture: String,
    pub num_layers: usize,
    pub hidden_size: i64,
    pub num_attention_heads: i64,
    pub vocab_size: i64,
    /// The longest input in tokens.
    pub max_length: usize,
    pub type_vocab_size: i64,
    pub pad_token_id: i64,
    /// The names of the classes, by index.
    pub labels: Vec<String>,
    /// Whether there is a label for each token (`[batch, length]`) or one for each example (`[batch]`).
    pub labels_per_token: bool,
}

/// A teacher or a student.
pub trait Model {
    fn info(&self) -> &ModelInfo;

    /// The `config.json` that the model was made from; `None` for one that has none, such as a TorchScript module.
    fn config(&self) -> Option<&ModelConfig>;

    /// All parameters under Hugging Face's names. Changing a tensor in place changes the model.
    fn parameters(&self) -> &Parameters;

    /// Runs the model on a batch: `input_ids` `[batch, length]`, and `attention_mask`, `token_type_ids`, `labels` where
    /// present; other columns are left alone. Computes what is asked for and no more. A gradient graph is built unless
    /// the caller runs under no-grad.
    fn forward(&self, batch: &Batch, request: &OutputRequest, mode: Mode) -> Result<Outputs>;

    /// Writes the model to a folder in Hugging Face layout (`config.json`, `model.safetensors`).
    fn save(&self, folder: &Path) -> Result<()>;

    fn device(&self) -> Device;
}
