//! The student at a checkpoint, for callbacks: to look at and to run, not to change.

pub use crate::bindings::brewer::plugin::model::{Mode, Statistics};
use crate::{Batch, Outputs, Result, bindings::brewer::plugin::model};

/// Runs the student on a batch, without gradients. `wanted` names the outputs to compute: `logits`, `loss`,
/// `hidden_states` (all layers), …
pub fn forward(batch: &Batch, wanted: &[&str], mode: Mode) -> Result<Outputs> {
    let wanted: Vec<_> = wanted.iter().map(|&name| name.to_owned()).collect();
    Ok(Outputs::new(model::forward(batch.handle(), &wanted, mode)?))
}

/// The names of all parameters, as in the checkpoint. The experiment must permit `parameters`.
pub fn parameter_names() -> Result<Vec<String>> {
    Ok(model::parameter_names()?)
}

/// The shape of a parameter. The experiment must permit `parameters`.
pub fn parameter_shape(name: &str) -> Result<Vec<i64>> {
    Ok(model::parameter_shape(name)?)
}

/// Mean, standard deviation, norm, least and largest element, and number of elements of a parameter. The experiment must
/// permit `parameters`.
pub fn parameter_statistics(name: &str) -> Result<Statistics> {
    Ok(model::parameter_statistics(name)?)
}
