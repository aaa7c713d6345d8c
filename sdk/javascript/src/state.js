// What a plugin of any role remembers from call to call.

import { checked, guarded } from "./guard.js";

/** Makes two functions the plugin's memory: `export const state = defineState(save, restore)`. */
export function defineState(save, restore) {
    checked("what saves the state", save);
    checked("what restores the state", restore);
    return {
        save: () => guarded(() => Uint8Array.from(save())),
        restore: (bytes) => guarded(() => void restore(Uint8Array.from(bytes))),
    };
}
