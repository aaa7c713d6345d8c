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
//! # Roles
//!
//! An adaptor is one role of several. Each has a macro that takes functions of yours, with an example at the macro:
//!
//! | role | macro | what it makes |
//! |---|---|---|
//! | adaptor | [`export_adaptor!`] | features from a model's outputs |
//! | batch post-processor | [`export_batch_postprocessor!`] | a batch from a batch |
//! | callback | [`export_callback!`] | at each checkpoint, whether training goes on |
//! | KD loss | [`export_kd_loss!`] | a loss from the logits of both sides |
//! | match loss | [`export_match_loss!`] | a loss from layers of both sides |
//! | temperature scheduler | [`export_temperature_scheduler!`] | a temperature from the logits of both sides |
//! | weight scheduler | [`export_weight_scheduler!`] | a weight from how far the run has come |
//!
//! A plugin may have several roles: it calls several macros. Each role runs in an instance of its own; a `static` of one
//! is not seen by another.
//!
//! What a plugin keeps from call to call, in a `static` or a `thread_local!`, starts anew when a run is resumed, unless
//! [`export_state!`] says how it is saved and restored. [`host::step`] says in every role where in the run a call happens.
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

#![warn(missing_docs)]

#[doc(hidden)]
pub mod bindings;
pub mod dataset;
mod error;
mod generated;
pub mod host;
mod list;
pub mod losses;
pub mod metrics;
pub mod model;
mod operators;
mod roles;
mod state;
mod tensor;
mod types;
pub mod values;

pub use error::{Error, ErrorCode, Result};
pub use list::TensorList;
pub use operators::{Operand, Scalar};
pub use roles::{Action, KdInputs, MatchInputs, Temperature};
#[doc(hidden)]
pub use roles::{
    run_adaptor, run_batch_postprocessor, run_callback, run_kd_loss, run_match_loss, run_num_layers,
    run_temperature_scheduler, run_weight_scheduler,
};
#[doc(hidden)]
pub use state::{run_restore, run_save};
pub use tensor::{Kind, Tensor};
pub use types::{Batch, Context, Features, Model, Outputs};

/// What plugins of every role need.
pub mod prelude {
    #[cfg(feature = "config")]
    pub use crate::host::config;
    pub use crate::{
        Action, Batch, Context, Error, Features, KdInputs, Kind, MatchInputs, Model, Outputs, Result, Temperature,
        Tensor, TensorList,
    };
}
