use tch::{Kind, Tensor};

use super::{Metric, MetricMode};
use crate::task::has_label;
use crate::{Batch, Outputs, Result};

/// How many of what has a label were predicted right.
#[derive(Debug, Default)]
struct Share {
    num_correct: i64,
    num_labels: i64,
}

impl Share {
    /// Takes in where a prediction is right, and where there is a label.
    fn update(&mut self, is_correct: &Tensor, counts: &Tensor) -> Result<()> {
        self.num_correct += count(&is_correct.f_logical_and(counts)?)?;
        self.num_labels += count(counts)?;
        Ok(())
    }

    fn value(&self) -> Option<f64> {
        (self.num_labels > 0).then(|| self.num_correct as f64 / self.num_labels as f64)
    }
}

/// The share of labels that have the largest logit, over examples (`[batch, classes]`) or tokens
/// (`[batch, length, classes]`).
#[derive(Debug, Default)]
pub struct Accuracy(Share);

impl Metric for Accuracy {
    fn name(&self) -> &str {
        "accuracy"
    }

    fn mode(&self) -> MetricMode {
        MetricMode::Max
    }

    fn update(&mut self, batch: &Batch, outputs: &Outputs) -> Result<()> {
        let (Some(logits), Some(labels)) = (outputs.tensor("logits"), batch.get("labels")) else { return Ok(()) };
        self.0.update(&logits.f_argmax(-1, false)?.f_eq_tensor(labels)?, &has_label(labels)?)
    }

    fn value(&self) -> Option<f64> {
        self.0.value()
    }
}

/// `2·TP / (2·TP + FP + FN)` over the classes of all examples together, of logits and labels `[batch, classes]`. A class is
/// predicted if its probability is above 0.5, thus its logit above 0. It is 1 where there was nothing to find and nothing
/// was found.
#[derive(Debug, Default)]
pub struct MicroF1 {
    num_hits: i64,
    /// Classes that were predicted or hold, but not both.
    num_errors: i64,
    num_labels: i64,
}

impl Metric for MicroF1 {
    fn name(&self) -> &str {
        "f1"
    }

    fn mode(&self) -> MetricMode {
        MetricMode::Max
    }

    fn update(&mut self, batch: &Batch, outputs: &Outputs) -> Result<()> {
        let (Some(logits), Some(labels)) = (outputs.tensor("logits"), batch.get("labels")) else { return Ok(()) };
        let counts = has_label(labels)?;
        let (predicted, holds) = (logits.f_gt(0.0)?, labels.f_gt(0.5)?);
        self.num_hits += count(&predicted.f_logical_and(&holds)?.f_logical_and(&counts)?)?;
        self.num_errors += count(&predicted.f_logical_xor(&holds)?.f_logical_and(&counts)?)?;
        self.num_labels += count(&counts)?;
        Ok(())
    }

    fn value(&self) -> Option<f64> {
        let (hits, errors) = (2 * self.num_hits, self.num_errors);
        let f1 = if hits + errors == 0 { 1.0 } else { hits as f64 / (hits + errors) as f64 };
        (self.num_labels > 0).then_some(f1)
    }
}

/// The share of spans `[batch, 2]` of which both the start and the end have the largest logit, `[batch, length]` each.
#[derive(Debug, Default)]
pub struct ExactMatch(Share);

impl Metric for ExactMatch {
    fn name(&self) -> &str {
        "exact_match"
    }

    fn mode(&self) -> MetricMode {
        MetricMode::Max
    }

    fn update(&mut self, batch: &Batch, outputs: &Outputs) -> Result<()> {
        let (Some(starts), Some(ends)) = (outputs.tensor("start_logits"), outputs.tensor("end_logits")) else {
            return Ok(());
        };
        let Some(labels) = batch.get("labels") else { return Ok(()) };
        let counts = has_label(labels)?.f_all_dim(1, false)?;
        let predicted = Tensor::f_stack(&[starts.f_argmax(-1, false)?, ends.f_argmax(-1, false)?], 1)?;
        self.0.update(&predicted.f_eq_tensor(labels)?.f_all_dim(1, false)?, &counts)
    }

    fn value(&self) -> Option<f64> {
        self.0.value()
    }
}

/// How often a tensor of booleans is true.
fn count(holds: &Tensor) -> Result<i64> {
    Ok(holds.f_sum(None::<Kind>)?.f_int64_value(&[])?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of four spans one is right, one has another end, one another start, and one is not known.
    #[test]
    fn a_span_is_right_if_both_of_its_ends_are() {
        let mut metric = ExactMatch::default();
        let batch = [("labels", Tensor::from_slice2(&[[0_i64, 1], [0, 1], [0, 1], [-100, -100]]))];
        let mut outputs = Outputs::new();
        outputs
            .insert("start_logits", Some(Tensor::from_slice2(&[[3.0_f32, 0.0], [3.0, 0.0], [0.0, 3.0], [3.0, 0.0]])));
        outputs.insert("end_logits", Some(Tensor::from_slice2(&[[0.0_f32, 3.0], [3.0, 0.0], [0.0, 3.0], [0.0, 3.0]])));
        metric.update(&batch.into_iter().collect(), &outputs).unwrap();
        assert_eq!(metric.value(), Some(1.0 / 3.0));
    }

    #[test]
    fn f1_of_several_classes_by_hand() {
        let mut metric = MicroF1::default();
        assert_eq!(metric.value(), None);
        let batch = [("labels", Tensor::from_slice2(&[[1.0_f32, 0.0, 1.0], [0.0, f32::NAN, f32::NAN]]))];
        let mut outputs = Outputs::new();
        outputs.insert("logits", Some(Tensor::from_slice2(&[[2.0_f32, 1.0, -1.0], [-1.0, 3.0, 3.0]])));
        metric.update(&batch.into_iter().collect(), &outputs).unwrap();
        // One hit, one class too many, one missed; what has no label does not count.
        assert_eq!(metric.value(), Some(2.0 / 4.0));
    }
}
