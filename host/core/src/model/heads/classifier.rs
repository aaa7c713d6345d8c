use tch::Tensor;

use super::{Head, cross_entropy};
use crate::model::Mode;
use crate::model::builder::Scope;
use crate::model::nn::{Dropout, Linear};
use crate::{Batch, OutputRequest, Outputs, Result};

/// Dropout and a linear layer: `logits` for each vector of the input, `[batch, labels]` over a pooled one and
/// `[batch, length, labels]` over one for each token; with `labels`, the cross-entropy as `loss`.
#[derive(Debug)]
pub(in crate::model) struct Classifier {
    dropout: Dropout,
    linear: Linear,
}

impl Classifier {
    pub fn new(scope: Scope, size: i64, num_labels: i64, dropout: Dropout) -> Result<Self> {
        Ok(Self { dropout, linear: Linear::new(scope, size, num_labels)? })
    }
}

impl Head for Classifier {
    fn offers(&self, batch: &Batch) -> Vec<&'static str> {
        if batch.get("labels").is_some() { vec!["loss", "logits"] } else { vec!["logits"] }
    }

    fn forward(
        &self,
        input: &Tensor,
        batch: &Batch,
        request: &OutputRequest,
        mode: Mode,
        outputs: &mut Outputs,
    ) -> Result<()> {
        let logits = self.linear.forward(&self.dropout.forward(input.shallow_clone(), mode)?)?;
        if let Some(labels) = batch.get("labels").filter(|_| request.wants("loss")) {
            outputs.insert("loss", Some(cross_entropy::loss(&logits, labels)?));
        }
        outputs.insert("logits", Some(logits));
        Ok(())
    }
}
