use tch::{Device, Kind, Tensor};

use super::{Metric, MetricMode};
use crate::task::has_label;
use crate::{Batch, Outputs, Result};

/// The mean of |prediction − label| over all numbers.
#[derive(Debug, Default)]
pub struct MeanAbsoluteError {
    sum: f64,
    count: usize,
}

impl Metric for MeanAbsoluteError {
    fn name(&self) -> &str {
        "mae"
    }

    fn mode(&self) -> MetricMode {
        MetricMode::Min
    }

    fn update(&mut self, batch: &Batch, outputs: &Outputs) -> Result<()> {
        for (prediction, label) in pairs(batch, outputs)? {
            self.sum += (prediction - label).abs();
            self.count += 1;
        }
        Ok(())
    }

    fn value(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }
}

/// Pearson's correlation of predictions and labels, over all numbers together; none where either of them is constant. Means
/// and moments are updated number by number (Welford's method), so that large numbers do not cancel.
#[derive(Debug, Default)]
pub struct Pearson {
    count: f64,
    /// Of the predictions and of the labels.
    means: [f64; 2],
    /// Sums of squared deviations from the means.
    squares: [f64; 2],
    /// The sum of the products of deviations.
    products: f64,
}

impl Metric for Pearson {
    fn name(&self) -> &str {
        "pearson"
    }

    fn mode(&self) -> MetricMode {
        MetricMode::Max
    }

    fn update(&mut self, batch: &Batch, outputs: &Outputs) -> Result<()> {
        for (prediction, label) in pairs(batch, outputs)? {
            self.count += 1.0;
            let before = [prediction - self.means[0], label - self.means[1]];
            self.means[0] += before[0] / self.count;
            self.means[1] += before[1] / self.count;
            self.squares[0] += before[0] * (prediction - self.means[0]);
            self.squares[1] += before[1] * (label - self.means[1]);
            self.products += before[0] * (label - self.means[1]);
        }
        Ok(())
    }

    fn value(&self) -> Option<f64> {
        let correlation = self.products / (self.squares[0].sqrt() * self.squares[1].sqrt());
        correlation.is_finite().then_some(correlation)
    }
}

/// Each number that is predicted and has a label, with the label.
fn pairs(batch: &Batch, outputs: &Outputs) -> Result<Vec<(f64, f64)>> {
    let (Some(logits), Some(labels)) = (outputs.tensor("logits"), batch.get("labels")) else { return Ok(vec![]) };
    let counts = has_label(labels)?;
    let numbers = |tensor: &Tensor| -> Result<Vec<f64>> {
        let counted = tensor.f_reshape(labels.size())?.f_masked_select(&counts)?;
        Ok(Vec::try_from(counted.f_to_kind(Kind::Double)?.f_to_device(Device::Cpu)?)?)
    };
    Ok(numbers(logits)?.into_iter().zip(numbers(labels)?).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In two batches; a label that is not there does not count.
    fn value(mut metric: impl Metric, predictions: &[f32], labels: &[f32]) -> Option<f64> {
        for (predictions, labels) in predictions.chunks(3).zip(labels.chunks(3)) {
            let batch = [("labels", Tensor::from_slice(labels))].into_iter().collect();
            let mut outputs = Outputs::new();
            outputs.insert("logits", Some(Tensor::from_slice(predictions).view([-1, 1])));
            metric.update(&batch, &outputs).unwrap();
        }
        metric.value()
    }

    #[test]
    fn numbers_by_hand() {
        let (predictions, labels) = ([1.0, 2.0, 9.0, 4.0], [2.0, 1.0, f32::NAN, 6.0]);
        assert_eq!(value(MeanAbsoluteError::default(), &predictions, &labels), Some(4.0 / 3.0));
        // Deviations −4/3, −1/3, 5/3 and −1, −2, 3.
        let expected = 7.0 / ((14.0_f64 / 3.0).sqrt() * 14.0_f64.sqrt());
        let found = value(Pearson::default(), &predictions, &labels).unwrap();
        assert!((found - expected).abs() < 1e-12, "{found}, expected {expected}");
    }

    #[test]
    fn a_constant_has_no_correlation() {
        assert_eq!(value(Pearson::default(), &[1.0, 2.0], &[3.0, 3.0]), None);
        assert_eq!(value(Pearson::default(), &[], &[]), None);
    }
}
