use tch::{Kind, Tensor};

use crate::describe::{describe, shape};
use crate::loss::LossError;
use crate::{Features, Result, Task};

/// The features of one model, and who made them, for messages.
pub struct ModelFeatures<'a> {
    /// The name of the adaptor.
    pub adaptor: String,
    /// Whether the adaptor is a plugin: nobody has checked what its tensors hold.
    pub is_plugin: bool,
    /// `student`, `teacher`, `teacher 1`.
    pub label: &'a str,
    /// What its adaptor made of a batch.
    pub features: &'a Features,
    /// How many examples the batch holds.
    pub batch_size: usize,
    /// What the model predicts.
    pub task: &'a Task,
}

impl ModelFeatures<'_> {
    /// The error that a feature is not what a loss needs.
    pub fn wrong(&self, key: &str, found: String, expected: String) -> LossError {
        LossError::Feature {
            adaptor: self.adaptor.clone(),
            side: self.label.to_owned(),
            key: key.to_owned(),
            found,
            expected,
        }
    }

    /// Whether any logits are as many as the model's head has; others are the adaptor's, and so is what they mean.
    pub fn has_logits_of_head(&self) -> bool {
        let outputs = self.task.num_outputs();
        self.features.logits.iter().any(|logits| logits.size().last() == Some(&outputs))
    }

    /// The error that a feature is not there, and what to do about it.
    pub fn missing(&self, key: &'static str, needed_by: &str, hint: &str) -> LossError {
        LossError::Missing {
            adaptor: self.adaptor.clone(),
            side: self.label.to_owned(),
            key,
            needed_by: needed_by.to_owned(),
            hint: hint.to_owned(),
        }
    }
}

/// Whether each feature that the adaptor returned has a form that the losses can work with.
pub fn check_features(side: &ModelFeatures<'_>) -> Result<()> {
    let features = side.features;
    if features.is_empty() {
        return Err(side.wrong("{}", "nothing".into(), "at least one feature, such as `logits`".into()).into());
    }
    let batch = side.batch_size as i64;
    let of_batch = |tensor: &Tensor| tensor.size().first() == Some(&batch);
    for (index, logits) in features.logits.iter().enumerate() {
        if !is_float(logits) || ![2, 3].contains(&logits.dim()) || !of_batch(logits) {
            let expected = format!("floats of [{batch}, labels] or [{batch}, length, labels]");
            return Err(side.wrong(&format!("logits[{index}]"), describe(logits), expected).into());
        }
    }
    check_logits_mask(side)?;
    for (index, labels) in features.labels.iter().enumerate() {
        if !is_integer(labels) && !is_float(labels) {
            let expected =
                "integers, such as int64 of [batch], or floats where a model does not predict classes".into();
            return Err(side.wrong(&format!("labels[{index}]"), describe(labels), expected).into());
        }
    }
    for (index, loss) in features.losses.iter().enumerate() {
        if !is_float(loss) || loss.numel() == 0 {
            return Err(side.wrong(&format!("losses[{index}]"), describe(loss), "floats".into()).into());
        }
    }
    for (key, layers) in [("hidden", &features.hidden), ("attention", &features.attention)] {
        for (index, layer) in layers.iter().enumerate() {
            if let Some(layer) = layer.tensor.as_ref().filter(|layer| !is_float(layer) || !of_batch(layer)) {
                let expected = format!("floats of [{batch}, …]");
                return Err(side.wrong(&format!("{key}[{index}]"), describe(layer), expected).into());
            }
        }
    }
    check_inputs_mask(side)
}

fn check_logits_mask(side: &ModelFeatures<'_>) -> Result<()> {
    let Features { logits, logits_mask, .. } = side.features;
    if logits_mask.is_empty() {
        return Ok(());
    }
    if logits_mask.len() != 1 && logits_mask.len() != logits.len() {
        let expected = format!("1, or one for each of the {} tensors of `logits`", logits.len());
        return Err(side.wrong("logits_mask", format!("{} tensors", logits_mask.len()), expected).into());
    }
    for (index, logits) in logits.iter().enumerate().filter(|(_, logits)| logits.dim() == 3) {
        let mask = logits_mask.get(index).unwrap_or(&logits_mask[0]);
        let positions = &logits.size()[..2];
        if mask.size() != positions {
            let expected = format!("{}, one for each position of `logits[{index}]`", shape(positions));
            return Err(side.wrong("logits_mask", describe(mask), expected).into());
        }
    }
    Ok(())
}

fn check_inputs_mask(side: &ModelFeatures<'_>) -> Result<()> {
    let Some(mask) = &side.features.inputs_mask else { return Ok(()) };
    if mask.dim() == 2 && mask.size()[0] == side.batch_size as i64 {
        return Ok(());
    }
    let expected = format!("[{}, length]", side.batch_size);
    Err(side.wrong("inputs_mask", describe(mask), expected).into())
}

/// For the student alone: a hard-label weight without losses, or with losses that train nothing, would be a silent nothing.
pub fn check_hard_labels(side: &ModelFeatures<'_>, is_used: bool) -> Result<()> {
    if !is_used {
        return Ok(());
    }
    if side.features.losses.is_empty() {
        let hint = "Return the model's `loss` (it has one when the batch has `labels`), or set the weight to 0 and its \
                    scheduler to \"none\".";
        return Err(side.missing("losses", "hard_label_weight", hint).into());
    }
    check_gradients(side, "losses", &side.features.losses)
}

/// Whether each of the student's tensors under a key leads back to its parameters.
pub fn check_gradients(side: &ModelFeatures<'_>, key: &str, tensors: &[Tensor]) -> Result<()> {
    for (index, tensor) in tensors.iter().enumerate() {
        check_gradient(side, &format!("{key}[{index}]"), tensor)?;
    }
    Ok(())
}

/// Whether a tensor of the student's leads back to its parameters: a loss of one that does not would train nothing.
pub fn check_gradient(side: &ModelFeatures<'_>, key: &str, tensor: &Tensor) -> Result<()> {
    if tensor.requires_grad() {
        return Ok(());
    }
    let found = format!("{} without a gradient", describe(tensor));
    let expected = "a tensor that leads back to the student's parameters, so not a detached or a new one";
    Err(side.wrong(key, found, expected.into()).into())
}

fn is_float(tensor: &Tensor) -> bool {
    matches!(tensor.kind(), Kind::Float | Kind::Half | Kind::BFloat16 | Kind::Double)
}

pub fn is_integer(tensor: &Tensor) -> bool {
    matches!(tensor.kind(), Kind::Int64 | Kind::Int | Kind::Int16 | Kind::Int8 | Kind::Uint8)
}
