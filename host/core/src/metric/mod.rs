//! How good a model's predictions are.

mod classes;
mod loss;
mod numbers;

use std::cmp::Ordering;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Batch, Outputs, Result, Task};

use classes::{Accuracy, ExactMatch, MicroF1};
use loss::MeanLoss;
use numbers::{MeanAbsoluteError, Pearson};

/// Which of two values is the better one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MetricMode {
    /// The larger one.
    Max,
    /// The smaller one.
    Min,
}

impl MetricMode {
    /// The order of two values in which the better one is less.
    pub fn compare(self, left: f64, right: f64) -> Ordering {
        match self {
            MetricMode::Max => right.total_cmp(&left),
            MetricMode::Min => left.total_cmp(&right),
        }
    }
}

/// A number that is gathered over the batches of an evaluation.
pub trait Metric {
    /// Its name in reports, without the split.
    fn name(&self) -> &str;

    /// Whether a larger value is a better one.
    fn mode(&self) -> MetricMode;

    /// Takes in a batch and what the model returned for it.
    fn update(&mut self, batch: &Batch, outputs: &Outputs) -> Result<()>;

    /// The value over all batches so far; `None` if none of them had anything to measure.
    fn value(&self) -> Option<f64>;
}

/// The metrics of a task: the model's own `loss`, and `accuracy` of one class, `f1` of several classes at once, `mae` and
/// `pearson` of numbers, and `exact_match` of spans.
pub fn metrics(task: &Task) -> Vec<Box<dyn Metric>> {
    let loss = Box::new(MeanLoss::default());
    match task {
        Task::SingleLabel { .. } | Task::TokenLabels { .. } | Task::MaskedLm { .. } => {
            vec![loss, Box::new(Accuracy::default())]
        }
        Task::MultiLabel { .. } => vec![loss, Box::new(MicroF1::default())],
        Task::Spans => vec![loss, Box::new(ExactMatch::default())],
        Task::Regression { .. } => vec![loss, Box::new(MeanAbsoluteError::default()), Box::new(Pearson::default())],
    }
}
