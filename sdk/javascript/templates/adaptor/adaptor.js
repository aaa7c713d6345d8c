// Sequence classification: one label for each sequence. Serves token classification as well, where there is one for each
// token and padding does not count.

import { defineAdaptor } from "brewer-sdk";

function adapt(batch, outputs, context) {
    const logits = outputs.tensor("logits");
    const mask = batch.get("attention_mask");
    const isPerToken = logits.rank === 3;
    return {
        logits,
        logits_mask: isPerToken ? mask : undefined,
        labels: batch.get("labels"),
        losses: context.isStudent ? outputs.get("loss") : undefined,
        hidden: outputs.getList("hidden_states"),
        attention: outputs.getList("attentions"),
        inputs_mask: mask,
    };
}

export const adaptor = defineAdaptor(adapt);
