//! How good a model's predictions are.

mod accuracy;
mod loss;

use tch::Tensor;

pub use accuracy::Accuracy;
pub use loss::MeanLoss;

use crate::{Batch, Outputs, Result};

/// A number that is gathered over the batches of an evaluation.
pub trait Metric {
    /// Its name in reports, without the split.
    fn name(&self) -> &str;

    /// Takes in a batch and what the model returned for it.
    fn update(&mut self, batch: &Batch, outputs: &Outputs) -> Result<()>;

    /// The value over all batches so far; `None` if none of them had anything to measure.
    fn value(&self) -> Option<f64>;
}

/// The metrics of a classifier: `loss` and `accuracy`.
pub fn classification() -> Vec<Box<dyn Metric>> {
    vec![Box::new(MeanLoss::default()), Box::new(Accuracy::default())]
}

/// How many labels of a batch count: those that are not −100.
fn count_labels(labels: &Tensor) -> Result<i64> {
    Ok(labels.f_ne(IGNORED_LABEL)?.f_sum(None::<tch::Kind>)?.f_int64_value(&[])?)
}

/// The label of positions and rows that are not to be predicted.
const IGNORED_LABEL: i64 = -100;
