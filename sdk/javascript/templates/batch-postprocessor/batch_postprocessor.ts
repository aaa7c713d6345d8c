// Hides every tenth token from the models; `token` of the configuration stands in its place.

import { type EditableBatch, arange, config, defineBatchPostprocessor } from "brewer-sdk";

function process(batch: EditableBatch) {
    const ids = batch.tensor("input_ids");
    const length = ids.shape[1];
    const hidden = arange(length).unsqueeze(-1).eq(arange(0, length, 10)).any(1);
    batch.set("input_ids", ids.maskedFill(hidden, config().token ?? 103));
}

export const batchPostprocessor = defineBatchPostprocessor(process);
