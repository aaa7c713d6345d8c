// What a plugin of any role remembers from call to call.

import { describe } from "./arguments.js";
import { checked, guarded } from "./guard.js";

/** Makes two functions the plugin's memory: `export const state = defineState(save, restore)`. */
export function defineState(save, restore) {
    checked("what saves the state", save);
    checked("what restores the state", restore);
    return {
        save: () => guarded(() => Uint8Array.from(bytes(save()))),
        restore: (bytes) => guarded(() => void restore(Uint8Array.from(bytes))),
    };
}

/** What was saved, if it is bytes: of another type `Uint8Array.from` makes numbers of its own. */
function bytes(saved) {
    if (saved instanceof Uint8Array) return saved;
    throw new TypeError(`what saves the state returned ${describe(saved)}; expected a Uint8Array`);
}
