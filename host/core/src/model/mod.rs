//! Models: a forward from a batch to named outputs, and named parameters.
//!
//! A model is a body and a head ([`heads`]) in the shell that all share ([`pretrained`]). `families/` has a file for each
//! family of models, which puts together what `layers/` offers; `huggingface/` reads and writes their folders. A new family
//! is its file and its line in `families/mod.rs`.

mod builder;
mod create;
mod error;
mod families;
mod heads;
mod huggingface;
mod inputs;
mod layers;
mod parameters;
mod pass;
mod pretrained;
mod shared_body;

use std::path::Path;

use tch::Device;

pub use create::{LoadOptions, Loaded, from_config, from_layers, load};
pub use error::ModelError;
pub use huggingface::{Mismatch, ModelConfig};
pub use parameters::Parameters;
pub use pass::Pass;
pub use shared_body::{SharedBody, WithNewHead, class_of_body};

use crate::{Batch, Result, Task};

/// What the rest of a run needs to know of a model without knowing which it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelSpec {
    /// The name of its class in Hugging Face transformers, such as `BertForSequenceClassification`.
    pub architecture: String,
    /// What it reads of a batch.
    pub inputs: InputSpec,
    /// What it predicts.
    pub task: Task,
    /// The sizes of its layers; `None` where it has none that are known.
    pub num_layers: Option<usize>,
    /// The last dimension of a hidden state.
    pub hidden_size: Option<i64>,
    /// The heads of each attention layer.
    pub num_attention_heads: Option<i64>,
}

/// What a model reads of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputSpec {
    /// `input_ids`, and what it reads beside them if it is there; each `[batch, length]`.
    pub columns: Vec<InputColumn>,
    /// The longest input in tokens; `None` if there is no limit.
    pub max_length: Option<usize>,
    /// What `input_ids` holds at padding.
    pub pad_token_id: i64,
}

/// A column of integers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputColumn {
    /// Its name in the batch.
    pub name: &'static str,
    /// Its numbers are 0 to `count` − 1; `None` if there is no limit.
    pub count: Option<i64>,
}

impl InputSpec {
    /// What a model of text reads: `input_ids` of a vocabulary, `attention_mask`, and `token_type_ids` where it has types.
    pub fn of_text(vocab_size: i64, type_vocab_size: Option<i64>, max_length: i64, pad_token_id: i64) -> Self {
        let mut columns = vec![
            InputColumn { name: "input_ids", count: Some(vocab_size) },
            InputColumn { name: "attention_mask", count: Some(2) },
        ];
        columns.extend(type_vocab_size.map(|count| InputColumn { name: "token_type_ids", count: Some(count) }));
        Self { columns, max_length: Some(max_length as usize), pad_token_id }
    }

    /// Whether the model reads the column `name`.
    pub fn reads(&self, name: &str) -> bool {
        self.columns.iter().any(|column| column.name == name)
    }

    /// How many numbers the column `name` may hold; `None` if there is no limit, or no such column.
    pub fn count(&self, name: &str) -> Option<i64> {
        self.columns.iter().find(|column| column.name == name)?.count
    }

    /// How many words it knows; `None` if there is no limit.
    pub fn vocab_size(&self) -> Option<i64> {
        self.count("input_ids")
    }
}

/// A teacher or a student.
pub trait Model {
    /// What it is, reads and predicts.
    fn spec(&self) -> &ModelSpec;

    /// The `config.json` that the model was made from; `None` for one that has none.
    fn config(&self) -> Option<&ModelConfig>;

    /// All parameters under Hugging Face's names. Changing a tensor in place changes the model.
    fn parameters(&self) -> &Parameters;

    /// Runs the model on a batch: the columns of [`InputSpec`] and `labels` where present; other columns are left alone.
    /// Computes what the pass asks for and no more, and hands it to the pass. A gradient graph is built unless the caller
    /// runs under no-grad.
    fn forward(&self, batch: &Batch, pass: &mut Pass) -> Result<()>;

    /// Writes the model to a folder in Hugging Face layout (`config.json`, `model.safetensors`).
    fn save(&self, folder: &Path) -> Result<()>;

    /// Where its parameters are.
    fn device(&self) -> Device;
}
