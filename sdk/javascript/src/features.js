// From the object that an adaptor returns to the features that the host takes.

import * as contract from "brewer:plugin/types@0.1.0";

import { describe } from "./arguments.js";
import { ask } from "./errors.js";
import { Tensor } from "./tensor.js";
import { TensorList } from "./tensor_list.js";

/** Puts a tensor, or each of several, with a method of the host. */
const each = (method) => (features, key, value) => {
    for (const tensor of value instanceof Tensor ? [value] : several(key, value)) {
        ask(() => features[method](tensorOf(key, tensor)));
    }
};

/** Like `each`; a lazy list is passed on without reading it. */
const layers = (extend, push) => (features, key, value) => {
    if (value instanceof TensorList) ask(() => features[extend](TensorList.handle(value)));
    else each(push)(features, key, value);
};

const PUTS = {
    logits: each("pushLogits"),
    logits_mask: each("pushLogitsMask"),
    labels: each("pushLabels"),
    losses: each("pushLoss"),
    hidden: layers("extendHidden", "pushHidden"),
    attention: layers("extendAttention", "pushAttention"),
    inputs_mask: (features, key, value) => ask(() => features.setInputsMask(tensorOf(key, value))),
};

export function featuresOf(returned) {
    if (typeof returned !== "object" || returned === null || returned instanceof Promise) {
        const found = returned instanceof Promise ? "a promise: it cannot be async" : describe(returned);
        throw new TypeError(`the adaptor returned ${found}; expected an object with keys such as ${listed()}`);
    }
    const features = new contract.Features();
    for (const [key, value] of Object.entries(returned)) {
        const put = Object.hasOwn(PUTS, key) ? PUTS[key] : undefined;
        if (put === undefined) throw new TypeError(`the adaptor returned the unknown key \`${key}\`: ${hint(key)}`);
        if (value !== undefined && value !== null) put(features, key, value);
    }
    return features;
}

function several(key, value) {
    if (Array.isArray(value) || value instanceof TensorList) return value;
    throw new TypeError(`\`${key}\` is ${describe(value)}; expected a tensor or an array of tensors`);
}

function tensorOf(key, value) {
    if (!(value instanceof Tensor)) throw new TypeError(`\`${key}\` holds ${describe(value)}; expected a tensor`);
    return Tensor.handle(value);
}

/** The key that was meant, if one is near; otherwise all of them. */
function hint(key) {
    const distances = Object.keys(PUTS).map((name) => [distance(key.toLowerCase(), name.replaceAll("_", "")), name]);
    const [[nearest, name]] = distances.sort(([left], [right]) => left - right);
    return nearest <= 3 ? `did you mean \`${name}\`?` : `the keys are ${listed()}`;
}

/** How many letters must be changed, added or taken away. */
function distance(left, right) {
    let row = Array.from({ length: right.length + 1 }, (_, column) => column);
    for (const letter of left) {
        const next = [row[0] + 1];
        for (let column = 1; column <= right.length; column++) {
            const changed = row[column - 1] + (letter === right[column - 1] ? 0 : 1);
            next.push(Math.min(changed, row[column] + 1, next[column - 1] + 1));
        }
        row = next;
    }
    return row[right.length];
}

function listed() {
    return Object.keys(PUTS).map((name) => `\`${name}\``).join(", ");
}
