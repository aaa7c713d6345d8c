// The role of a callback, and what only callbacks may ask for.

import * as data from "brewer:plugin/dataset@0.1.0";
import * as numbers from "brewer:plugin/metrics@0.1.0";
import * as student from "brewer:plugin/model@0.1.0";

import { text } from "./arguments.js";
import { ask } from "./errors.js";
import { checked, guarded } from "./guard.js";
import { Batch, Outputs } from "./types.js";

/** Makes a function the plugin's callback: `export const callback = defineCallback(onCheckpoint)`. */
export function defineCallback(onCheckpoint) {
    checked("a callback", onCheckpoint);
    return { onCheckpoint: (step) => guarded(() => (onCheckpoint(Number(step)) === true ? "stop" : "continue")) };
}

export function splits() {
    return Array.from(ask(() => data.splits()));
}

export function* batches(split) {
    const count = ask(() => data.numBatches(text(split)));
    for (let index = 0; index < count; index++) yield new Batch(ask(() => data.readBatch(split, index)));
}

export function forward(batch, wanted, { train = false } = {}) {
    const mode = train ? "train" : "eval";
    return new Outputs(ask(() => student.forward(Batch.handle(batch), wanted.map(text), mode)));
}

export function parameterNames() {
    return Array.from(ask(() => student.parameterNames()));
}

export function parameterShape(name) {
    return Array.from(ask(() => student.parameterShape(text(name))));
}

export function parameterStatistics(name) {
    return ask(() => student.parameterStatistics(text(name)));
}

export function metricNames() {
    return Array.from(ask(() => numbers.names()));
}

export function metric(name) {
    return ask(() => numbers.value(text(name)));
}

export function report(name, value) {
    ask(() => numbers.report(text(name), Number(value)));
}
