// A module beside the plugin's: its lines are in messages too.

import type { Tensor } from "brewer-sdk";

export function refuse(sum: Tensor, step: number): never {
    throw new RangeError(`no logits for step ${step}`);
}
