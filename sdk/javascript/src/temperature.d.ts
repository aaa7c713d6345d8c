import type { Tensor } from "./index.js";

/** Makes a function the plugin's temperature scheduler: `export const temperatureScheduler = …`. It takes the logits of
 * both sides, of one shape `[rows, classes]` and without gradients, and the experiment's `temperature`, and returns a number
 * or a tensor `[rows]`, above 0. */
export function defineTemperatureScheduler(
    choose: (student: Tensor, teacher: Tensor, base: number) => number | Tensor,
): { choose(student: unknown, teacher: unknown, base: number): unknown };
