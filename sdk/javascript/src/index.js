// Write plugins for Brewer in JavaScript and TypeScript. `index.d.ts` is the reference.

import { Float } from "./arguments.js";

export { defineAdaptor } from "./adaptor.js";
export { defineBatchPostprocessor } from "./batch_postprocessor.js";
export * from "./creation.js";
export { TensorError } from "./errors.js";
export { config, log, random, randomInt, step } from "./host.js";
export { Temperature, defineKdLoss, defineMatchLoss, defineWeightScheduler } from "./loss_roles.js";
export * as losses from "./generated/losses.js";
export { defineState } from "./state.js";
export { Tensor } from "./tensor.js";
export { TensorList } from "./tensor_list.js";
export { Batch, Outputs } from "./types.js";

/** A number that counts as a floating-point one although it is whole: `float(2)` is what `2.0` is in Python. */
export function float(value) {
    return new Float(value);
}
