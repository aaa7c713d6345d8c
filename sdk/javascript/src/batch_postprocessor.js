// The role of a batch post-processor.

import { checked, guarded } from "./guard.js";
import { EditableBatch, contextOf } from "./types.js";

/** Makes a function the plugin's: `export const batchPostprocessor = defineBatchPostprocessor(process)`. */
export function defineBatchPostprocessor(process) {
    checked("a batch post-processor", process);
    return {
        process: (context, batch) =>
            guarded(() => {
                const editable = new EditableBatch(batch);
                return EditableBatch.handle(process(editable, contextOf(context)) ?? editable);
            }),
    };
}
