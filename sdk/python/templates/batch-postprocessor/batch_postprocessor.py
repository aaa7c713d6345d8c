"""Hides every tenth token from the models; `token` of the configuration stands in its place."""

from brewer_sdk import arange, batch_postprocessor, config


@batch_postprocessor
def process(batch, context):
    ids = batch["input_ids"]
    length = ids.shape[1]
    hidden = (arange(length).unsqueeze(-1) == arange(0, length, 10)).any(1)
    batch["input_ids"] = ids.masked_fill(hidden, config().get("token", 103))
