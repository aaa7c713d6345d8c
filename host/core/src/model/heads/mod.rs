//! What stands on top of a model's body: from its output to logits and a loss.

mod classifier;
mod cross_entropy;

use tch::Tensor;

pub(super) use classifier::Classifier;

use super::Mode;
use crate::{Batch, OutputRequest, Outputs, Result};

/// The last part of a model, which says what it is for.
pub(super) trait Head {
    /// The names of the outputs that the head can add for this batch.
    fn offers(&self, batch: &Batch) -> Vec<&'static str>;

    /// Adds to `outputs` what is asked for of what the head offers. `input` is what the body ends in: the pooler's
    /// output `[batch, hidden]` where the model has a pooler, otherwise the last hidden state `[batch, length, hidden]`.
    fn forward(
        &self,
        input: &Tensor,
        batch: &Batch,
        request: &OutputRequest,
        mode: Mode,
        outputs: &mut Outputs,
    ) -> Result<()>;
}
