use tch::Kind;

use super::{IGNORED_LABEL, Metric, count_labels};
use crate::{Batch, Outputs, Result};

/// The share of labels that have the largest logit, over examples (`[batch, labels]`) or tokens
/// (`[batch, length, labels]`).
#[derive(Debug, Default)]
pub struct Accuracy {
    num_correct: i64,
    num_labels: i64,
}

impl Metric for Accuracy {
    fn name(&self) -> &str {
        "accuracy"
    }

    fn update(&mut self, batch: &Batch, outputs: &Outputs) -> Result<()> {
        let (Some(logits), Some(labels)) = (outputs.tensor("logits"), batch.get("labels")) else { return Ok(()) };
        let correct = logits.f_argmax(-1, false)?.f_eq_tensor(labels)?.f_logical_and(&labels.f_ne(IGNORED_LABEL)?)?;
        self.num_correct += correct.f_sum(None::<Kind>)?.f_int64_value(&[])?;
        self.num_labels += count_labels(labels)?;
        Ok(())
    }

    fn value(&self) -> Option<f64> {
        (self.num_labels > 0).then(|| self.num_correct as f64 / self.num_labels as f64)
    }
}
