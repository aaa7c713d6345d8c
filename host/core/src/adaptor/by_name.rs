use super::Adaptor;
use crate::{Batch, Features, Outputs, Result, Side, StepContext};

/// The adaptor when no plugin is given: outputs and batch columns under their own names.
///
/// `logits` (or `start_logits` and `end_logits`), `hidden_states` as `hidden`, `attentions` as `attention`; from the
/// batch `attention_mask` as `inputs_mask`, and as `logits_mask` of per-token logits, and `labels`, one for each of
/// `start_logits` and `end_logits`; from the student `loss` as `losses`.
#[derive(Debug, Default)]
pub struct ByName;

impl Adaptor for ByName {
    fn name(&self) -> &str {
        "built-in adaptor"
    }

    fn adapt(&mut self, context: &StepContext, batch: &Batch, outputs: &Outputs) -> Result<Features> {
        let logits: Vec<_> = ["logits", "start_logits", "end_logits"]
            .iter()
            .filter_map(|name| outputs.tensor(name))
            .map(|logits| logits.shallow_clone())
            .collect();
        let is_per_token = logits.iter().any(|logits| logits.dim() == 3);
        let mask = batch.get("attention_mask").map(|mask| mask.shallow_clone());
        let labels = match batch.get("labels") {
            Some(spans) if logits.len() == 2 => spans.f_unbind(1)?,
            labels => labels.map(|labels| labels.shallow_clone()).into_iter().collect(),
        };
        let mut features = Features {
            logits_mask: if is_per_token { mask.iter().map(|mask| mask.shallow_clone()).collect() } else { vec![] },
            logits,
            labels,
            // A model that has no such list has no such features.
            hidden: outputs.list("hidden_states").unwrap_or_default(),
            attention: outputs.list("attentions").unwrap_or_default(),
            inputs_mask: mask,
            losses: vec![],
            modules: Default::default(),
        };
        if context.side == Some(Side::Student) {
            features.losses = outputs.tensor("loss").map(|loss| loss.shallow_clone()).into_iter().collect();
        }
        Ok(features)
    }
}
