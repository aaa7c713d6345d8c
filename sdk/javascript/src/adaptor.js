// The role of an adaptor.

import { featuresOf } from "./features.js";
import { checked, guarded } from "./guard.js";
import { Batch, Outputs, contextOf } from "./types.js";

/** Makes a function the plugin's adaptor: `export const adaptor = defineAdaptor(adapt)`. */
export function defineAdaptor(adapt) {
    checked("an adaptor", adapt);
    return {
        adapt: (context, batch, outputs) =>
            guarded(() => featuresOf(adapt(new Batch(batch), new Outputs(outputs), contextOf(context)))),
    };
}
