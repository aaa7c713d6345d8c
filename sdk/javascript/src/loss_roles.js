// The roles of losses and weights.

import { ask } from "./errors.js";
import { checked, guarded } from "./guard.js";
import { Tensor, made } from "./tensor.js";
import { TensorList } from "./tensor_list.js";

/** What logits are divided by. */
export class Temperature {
    #handle;

    constructor(handle) {
        this.#handle = handle;
    }

    get value() {
        return this.#handle.value() ?? undefined;
    }

    get values() {
        return made(() => this.#handle.values());
    }

    soften(logits) {
        return made(() => this.#handle.soften(Tensor.handle(logits)));
    }
}

/** Makes a function the plugin's KD loss: `export const kdLoss = defineKdLoss(loss)`. */
export function defineKdLoss(loss) {
    checked("a KD loss", loss);
    const read = (inputs) => ({
        student: made(() => inputs.student()),
        teacher: made(() => inputs.teacher()),
        temperature: new Temperature(ask(() => inputs.temperature())),
        labels: inputs.hasLabels() ? made(() => inputs.labels()) : undefined,
    });
    return { loss: (inputs) => guarded(() => Tensor.handle(loss(read(inputs)))) };
}

/** Makes a function the plugin's match loss: `export const matchLoss = defineMatchLoss(loss)`. */
export function defineMatchLoss(loss, { numLayers = 1 } = {}) {
    checked("a match loss", loss);
    const read = (inputs) => ({
        student: [...new TensorList(ask(() => inputs.student()))],
        teacher: [...new TensorList(ask(() => inputs.teacher()))],
        mask: inputs.hasMask() ? made(() => inputs.mask()) : undefined,
    });
    return { numLayers: () => numLayers, loss: (inputs) => guarded(() => Tensor.handle(loss(read(inputs)))) };
}

/** Makes a function the plugin's weight scheduler: `export const weightScheduler = defineWeightScheduler(weight)`. */
export function defineWeightScheduler(weight) {
    checked("a weight scheduler", weight);
    return { weight: (progress) => guarded(() => Number(weight(progress))) };
}
