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

pub mod adaptor;
mod batch;
pub mod callback;
mod error;
mod features;
pub mod model;
mod outputs;
mod postprocessor;
mod request;

pub use adaptor::{AdaptContext, Adaptor, Role};
pub use batch::Batch;
pub use callback::Callback;
pub use error::{Error, Fault, PluginError, Result};
pub use features::{Feature, Features};
pub use model::Model;
pub use outputs::{Layers, Output, Outputs};
pub use postprocessor::BatchPostprocessor;
pub use request::OutputRequest;
