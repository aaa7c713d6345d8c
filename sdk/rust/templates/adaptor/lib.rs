//! Sequence classification: one label for each sequence. Serves token classification as well, where there is one for
//! each token and padding does not count.

use brewer_sdk::prelude::*;

fn adapt(context: &Context, batch: &Batch, outputs: &Outputs) -> Result<Features> {
    let logits = outputs.tensor("logits")?;
    let mask = batch.get("attention_mask")?;
    let is_per_token = logits.rank() == 3;
    let loss = if context.is_student() { outputs.get("loss")? } else { None };
    Ok(Features {
        logits: vec![logits],
        logits_mask: mask.iter().filter(|_| is_per_token).cloned().collect(),
        labels: batch.get("labels")?.into_iter().collect(),
        losses: loss.into_iter().collect(),
        hidden: outputs.get_list("hidden_states")?.unwrap_or_default(),
        attention: outputs.get_list("attentions")?.unwrap_or_default(),
        inputs_mask: mask,
    })
}

brewer_sdk::export_adaptor!(adapt);
