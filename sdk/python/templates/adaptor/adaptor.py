"""Sequence classification: one label for each sequence. Serves token classification as well, where there is one for each
token and padding does not count."""

from brewer_sdk import adaptor


@adaptor
def adapt(batch, outputs, context):
    logits = outputs["logits"]
    mask = batch.get("attention_mask")
    is_per_token = logits.ndim == 3
    return {
        "logits": logits,
        "logits_mask": mask if is_per_token else None,
        "labels": batch.get("labels"),
        "losses": outputs.get("loss") if context.is_student else None,
        "hidden": outputs.get("hidden_states"),
        "attention": outputs.get("attentions"),
        "inputs_mask": mask,
    }
