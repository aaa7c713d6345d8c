//! What a model predicts.

mod labels;

use std::fmt;

use tch::{Kind, Reduction, Tensor};

pub use labels::LabelProblem;

use crate::Result;

/// The label of positions and examples that are not to be predicted, where labels are classes.
pub const IGNORED_LABEL: i64 = -100;

/// What a model predicts. A task knows how the label of a row is read and what it becomes in a batch, what the model's own
/// loss is, and what its logits mean.
///
/// The column `labels` of a batch holds classes (int64, [`IGNORED_LABEL`] where there is none) or numbers (float32, NaN
/// where there is none).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// One of several classes for each example: logits `[batch, classes]`, labels `[batch]`.
    SingleLabel {
        /// The names of the classes, in the order of the logits.
        labels: Vec<String>,
    },
    /// Any of several classes for each example: logits `[batch, classes]`, labels `[batch, classes]`, 1 where a class
    /// holds and 0 where it does not.
    MultiLabel {
        /// The names of the classes, in the order of the logits.
        labels: Vec<String>,
    },
    /// Numbers for each example: logits `[batch, numbers]`, labels of the same shape, or `[batch]` if it is one number.
    Regression {
        /// The names of the numbers.
        labels: Vec<String>,
    },
    /// One of several classes for each token: logits `[batch, length, classes]`, labels `[batch, length]`.
    TokenLabels {
        /// The names of the classes, in the order of the logits.
        labels: Vec<String>,
    },
    /// A word for each token: logits `[batch, length, vocabulary]`, labels `[batch, length]`.
    MaskedLm {
        /// How many words there are.
        vocab_size: i64,
    },
}

/// What a softmax or a sigmoid makes of logits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Distribution {
    /// Of the classes, exactly one holds.
    Softmax,
    /// Each class holds or not.
    Sigmoid,
}

/// How many labels an example has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LabelShape {
    /// `[batch]`
    Single,
    /// `[batch, length]`
    PerToken,
    /// `[batch, n]`
    PerOutput(usize),
}

impl Task {
    /// The names of the classes, by index; none where words are predicted.
    pub fn labels(&self) -> &[String] {
        match self {
            Task::SingleLabel { labels }
            | Task::MultiLabel { labels }
            | Task::Regression { labels }
            | Task::TokenLabels { labels } => labels,
            Task::MaskedLm { .. } => &[],
        }
    }

    /// The same with other names of its classes, as many.
    pub fn with_labels(mut self, names: Vec<String>) -> Self {
        match &mut self {
            Task::SingleLabel { labels }
            | Task::MultiLabel { labels }
            | Task::Regression { labels }
            | Task::TokenLabels { labels } => *labels = names,
            Task::MaskedLm { .. } => {}
        }
        self
    }

    /// Whether both predict the same kind of thing, of whatever classes.
    pub fn is_of_kind(&self, other: &Task) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }

    /// How many logits there are for each example or token.
    pub fn num_outputs(&self) -> i64 {
        match self {
            Task::MaskedLm { vocab_size } => *vocab_size,
            _ => self.labels().len() as i64,
        }
    }

    /// What makes probabilities of the logits; `None` where they are no scores of classes.
    pub fn distribution(&self) -> Option<Distribution> {
        match self {
            Task::SingleLabel { .. } | Task::TokenLabels { .. } | Task::MaskedLm { .. } => Some(Distribution::Softmax),
            Task::MultiLabel { .. } => Some(Distribution::Sigmoid),
            Task::Regression { .. } => None,
        }
    }

    /// How many labels an example has.
    pub fn label_shape(&self) -> LabelShape {
        match self {
            Task::SingleLabel { .. } => LabelShape::Single,
            Task::MultiLabel { labels } => LabelShape::PerOutput(labels.len()),
            Task::Regression { labels } if labels.len() == 1 => LabelShape::Single,
            Task::Regression { labels } => LabelShape::PerOutput(labels.len()),
            Task::TokenLabels { .. } | Task::MaskedLm { .. } => LabelShape::PerToken,
        }
    }

    /// Whether labels are classes and not numbers.
    pub fn labels_are_classes(&self) -> bool {
        self.distribution() == Some(Distribution::Softmax)
    }

    /// What stands for no label: [`IGNORED_LABEL`] or NaN.
    pub fn no_label(&self) -> f64 {
        if self.labels_are_classes() { IGNORED_LABEL as f64 } else { f64::NAN }
    }

    /// The model's own loss, a scalar: the mean over all labels that there are. The mean over none is 0, with a gradient
    /// of 0: a batch without labels teaches nothing. In torch it is NaN.
    ///
    /// Classes have the cross-entropy, several classes of an example the binary cross-entropy of each, numbers the squared
    /// error.
    pub fn loss(&self, logits: &Tensor, labels: &Tensor) -> Result<Tensor> {
        if self.labels_are_classes() {
            return cross_entropy(logits, labels);
        }
        let logits = if labels.size() == logits.size() { logits.shallow_clone() } else { logits.f_squeeze_dim(-1)? };
        let counts = has_label(labels)?;
        // In place of a label that is not there any number does: it is weighed by 0.
        let labels = labels.f_masked_fill(&counts.f_logical_not()?, 0.0)?.f_to_kind(logits.f_kind()?)?;
        let each = match self {
            Task::MultiLabel { .. } => {
                logits.f_binary_cross_entropy_with_logits(&labels, None::<&Tensor>, None::<&Tensor>, Reduction::None)?
            }
            _ => logits.f_mse_loss(&labels, Reduction::None)?,
        };
        let sum = each.f_mul(&counts)?.f_sum(None::<Kind>)?;
        Ok(sum.f_div(&counts.f_sum(Kind::Float)?.f_clamp_min(1)?)?)
    }
}

impl fmt::Display for Distribution {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Distribution::Softmax => "the softmax over all classes",
            Distribution::Sigmoid => "the sigmoid of each class",
        })
    }
}

impl fmt::Display for Task {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Task::SingleLabel { .. } => "single-label classification",
            Task::MultiLabel { .. } => "multi-label classification",
            Task::Regression { .. } => "regression",
            Task::TokenLabels { .. } => "token classification",
            Task::MaskedLm { .. } => "masked language modelling",
        })
    }
}

/// Where a batch's labels are labels and do not stand for none: booleans of their shape.
pub fn has_label(labels: &Tensor) -> Result<Tensor> {
    Ok(if labels.is_floating_point() { labels.f_isnan()?.f_logical_not()? } else { labels.f_ne(IGNORED_LABEL)? })
}

/// The mean cross-entropy of `logits` `[…, classes]` against `labels` `[…]`.
fn cross_entropy(logits: &Tensor, labels: &Tensor) -> Result<Tensor> {
    let num_classes = logits.size().last().copied().unwrap_or(1);
    let labels = labels.f_reshape([-1])?.f_to_kind(Kind::Int64)?;
    let sum = logits.f_reshape([-1, num_classes])?.f_cross_entropy_loss(
        &labels,
        None::<&Tensor>,
        Reduction::Sum,
        IGNORED_LABEL,
        0.0,
    )?;
    // torch computes its mean by the same division, so this has its bits.
    let count = has_label(&labels)?.f_sum(Kind::Float)?.f_clamp_min(1)?;
    Ok(sum.f_div(&count)?)
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|index| format!("class {index}")).collect()
    }

    fn gradient(loss: &Tensor, logits: &Tensor) -> Tensor {
        Tensor::run_backward(&[loss], &[logits], false, false).remove(0)
    }

    fn random(shape: &[i64]) -> Tensor {
        Tensor::randn(shape, (Kind::Float, Device::Cpu)).set_requires_grad(true)
    }

    #[test]
    fn classes_have_torchs_mean_to_the_bit() {
        tch::manual_seed(3);
        let task = Task::SingleLabel { labels: names(3) };
        for count in [1, 2, 7, 30] {
            let logits = random(&[count, 3]);
            let labels = Tensor::randint(3, [count], (Kind::Int64, Device::Cpu));
            if count > 2 {
                let _ = labels.get(1).fill_(IGNORED_LABEL);
            }
            let expected = logits.cross_entropy_loss(&labels, None::<&Tensor>, Reduction::Mean, IGNORED_LABEL, 0.0);
            let found = task.loss(&logits, &labels).unwrap();
            assert!(found.equal(&expected), "{count}");
            assert!(gradient(&found, &logits).equal(&gradient(&expected, &logits)), "{count}");
        }
    }

    #[test]
    fn labels_that_are_not_there_teach_nothing() {
        let of_tokens = Tensor::full([2, 3], IGNORED_LABEL, (Kind::Int64, Device::Cpu));
        let of_numbers = Tensor::full([2, 3], f64::NAN, (Kind::Float, Device::Cpu));
        for (task, logits, labels) in [
            (Task::TokenLabels { labels: names(4) }, random(&[2, 3, 4]), &of_tokens),
            (Task::MultiLabel { labels: names(3) }, random(&[2, 3]), &of_numbers),
            (Task::Regression { labels: names(3) }, random(&[2, 3]), &of_numbers),
        ] {
            let loss = task.loss(&logits, labels).unwrap();
            assert_eq!(loss.double_value(&[]), 0.0, "{task}");
            assert_eq!(gradient(&loss, &logits).abs().sum(Kind::Float).double_value(&[]), 0.0, "{task}");
        }
    }

    /// By hand: −log σ(2) for a class that holds, −log(1 − σ(−1)) for one that does not.
    #[test]
    fn several_classes_have_a_binary_cross_entropy_each() {
        let task = Task::MultiLabel { labels: names(2) };
        let logits = Tensor::from_slice2(&[[2.0_f32, -1.0], [5.0, 5.0]]);
        let labels = Tensor::from_slice2(&[[1.0_f32, 0.0], [f32::NAN, f32::NAN]]);
        let sigmoid = |logit: f64| 1.0 / (1.0 + (-logit).exp());
        let expected = (-sigmoid(2.0).ln() - (1.0 - sigmoid(-1.0)).ln()) / 2.0;
        let found = task.loss(&logits, &labels).unwrap().double_value(&[]);
        assert!((found - expected).abs() < 1e-6, "{found}, expected {expected}");
    }

    #[test]
    fn numbers_have_a_squared_error() {
        let task = Task::Regression { labels: names(1) };
        let logits = Tensor::from_slice(&[1.0_f32, 5.0, -3.0]).view([3, 1]);
        let labels = Tensor::from_slice(&[3.0_f32, f32::NAN, -4.0]);
        assert_eq!(task.loss(&logits, &labels).unwrap().double_value(&[]), (4.0 + 1.0) / 2.0);
    }
}
