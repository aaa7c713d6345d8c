use super::{Metric, MetricMode};
use crate::task::has_label;
use crate::{Batch, Outputs, Result};

/// The model's own loss, averaged over all labels (a batch with more labels weighs more).
#[derive(Debug, Default)]
pub struct MeanLoss {
    sum: f64,
    num_labels: i64,
}

impl Metric for MeanLoss {
    fn name(&self) -> &str {
        "loss"
    }

    fn mode(&self) -> MetricMode {
        MetricMode::Min
    }

    fn update(&mut self, batch: &Batch, outputs: &Outputs) -> Result<()> {
        let (Some(loss), Some(labels)) = (outputs.tensor("loss"), batch.get("labels")) else { return Ok(()) };
        let num_labels = has_label(labels)?.f_sum(None::<tch::Kind>)?.f_int64_value(&[])?;
        if num_labels > 0 {
            self.sum += loss.f_double_value(&[])? * num_labels as f64;
            self.num_labels += num_labels;
        }
        Ok(())
    }

    fn value(&self) -> Option<f64> {
        (self.num_labels > 0).then(|| self.sum / self.num_labels as f64)
    }
}
