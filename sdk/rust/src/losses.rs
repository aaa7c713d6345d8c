//! Losses with PyTorch's definitions. All are differentiable.

pub use crate::{bindings::brewer::plugin::losses::Reduction, generated::losses::*};

/// The label that counts for nothing, as in PyTorch.
pub const IGNORED: i64 = -100;
