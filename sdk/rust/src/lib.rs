//! Write plugins for Brewer in Rust.
//!
//! An adaptor takes the features of a batch out of a model's outputs. It is a function:
//!
//! ```
//! use brewer_sdk::prelude::*;
//!
//! fn adapt(context: &Context, batch: &Batch, outputs: &Outputs) -> Result<Features> {
//!     Ok(Features {
//!         logits: outputs.tensor("logits")?.into(),
//!         hidden: outputs.list("hidden_states")?,
//!         inputs_mask: Some(batch.tensor("attention_mask")?),
//!         ..Features::default()
//!     })
//! }
//!
//! brewer_sdk::export_adaptor!(adapt);
//! # fn main() {}
//! ```
//!
//! The crate around it has `crate-type = ["cdylib"]`. In Brewer's own workspace `cargo xtask plugins` builds every folder
//! of `plugins/` to a component; elsewhere build it for `wasm32-unknown-unknown` and make the module a component with
//! `wasm-tools component new`.
//!
//! # Tensors
//!
//! A [`Tensor`] is a handle: the elements stay with the host, which computes. Methods return a [`Result`] whose error
//! says what was found and what was expected; `+ - * /` and unary `-` panic with that message instead, which ends the
//! call and shows the user the message and the line. Both take tensors and numbers:
//!
//! ```no_run
//! # use brewer_sdk::prelude::*;
//! # fn example(student: &Tensor, teacher: &Tensor, mask: &Tensor) -> Result<Tensor> {
//! let difference = student - teacher;
//! let squared = &difference * &difference * 0.5;
//! Ok(squared.mul(mask)?.sum(&[], false)? / mask.sum(&[], false)?)
//! # }
//! ```
//!
//! What is computed from the student's outputs has a gradient. Tensors live until the call returns: a `static` may keep
//! numbers, not tensors.

mod adaptor;
#[doc(hidden)]
pub mod bindings;
mod error;
pub mod host;
mod list;
pub mod losses;
mod operators;
mod tensor;
mod types;
pub mod values;

pub use adaptor::run_adaptor;
pub use error::{Error, ErrorCode, Result};
pub use list::TensorList;
pub use operators::{Operand, Scalar};
pub use tensor::{Kind, Tensor};
pub use types::{Batch, Context, Features, Model, Outputs};

/// What an adaptor needs.
pub mod prelude {
    #[cfg(feature = "config")]
    pub use crate::host::config;
    pub use crate::{Batch, Context, Error, Features, Kind, Model, Outputs, Result, Tensor, TensorList};
}
