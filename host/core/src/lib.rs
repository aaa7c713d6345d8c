//! Brewer distils a trained teacher model into a smaller student: tensors in, loss out.
//!
//! One training step runs
//!
//! ```text
//! Batch ─► teacher forward (no grad) ─► Adaptor ─► Features T ┐
//!       └► student forward (train)   ─► Adaptor ─► Features S ┴► loss plan ─► total + parts
//! ```
//!
//! Every stage is a small trait ([`Model`], [`Adaptor`], [`KdLoss`](loss::KdLoss),
//! [`MatchLoss`](loss::MatchLoss), [`Callback`], …) and the engine calls traits only: a built-in is a file that
//! implements one, a plugin is a component that does.

#![warn(missing_docs)]

pub mod adaptor;
pub mod assemble;
mod batch;
pub mod cache;
pub mod callback;
mod classes;
pub mod data;
mod describe;
pub mod device;
mod digest;
pub mod distiller;
mod error;
pub mod evaluation;
pub mod experiment;
mod features;
mod files;
mod json;
pub mod libtorch;
mod lock;
pub mod loss;
mod memory;
pub mod metric;
pub mod model;
mod named;
mod names;
mod out_of_memory;
mod outputs;
mod postprocessor;
pub mod projection;
pub mod random;
mod request;
mod role_state;
pub mod schedule;
mod step;
mod student;
mod task;
pub mod train;

pub use adaptor::Adaptor;
pub use batch::Batch;
pub use callback::Callback;
pub use classes::{ClassMatching, ClassOrder, Classes};
pub use digest::{DigestError, of_file as digest_of_file};
pub use error::{Error, Fault, PluginError, Result, os_reason};
pub use features::{Feature, Features, Layer};
pub use files::write as write_file;
pub use json::parse as parse_json;
pub use model::{Model, Parameters, Pass};
pub use outputs::{Output, Outputs};
pub use postprocessor::BatchPostprocessor;
pub use request::{OutputId, OutputRequest};
pub use role_state::RoleState;
pub use step::{Side, StepContext};
pub use student::Student;
pub use task::{Distribution, IGNORED_LABEL, Task};
pub use tch::Device;
