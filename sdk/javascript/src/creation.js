// New tensors, on the device of the model, and tensors joined.

import * as values from "brewer:plugin/values@0.1.0";

import { checkedKind, describe, integer, kindOf } from "./arguments.js";
import * as generated from "./generated/creation.js";
import { made } from "./tensor.js";
import { TensorList } from "./tensor_list.js";

export * from "./generated/creation.js";

export function arange(start, end, step = 1, kind = undefined) {
    const bounds = end === undefined ? [0, start, step] : [start, end, step];
    const isWhole = bounds.every((bound) => kindOf(bound) === "int64");
    return generated.arange(...bounds, kind ?? (isWhole ? "int64" : "float32"));
}

export function tensor(data, kind = undefined) {
    const [shape, elements] = flatten(data);
    const types = new Set(elements.map((element) => typeof element));
    const wanted = kind === undefined ? kindOfElements(types, elements) : checkedKind(kind);
    const first = wanted === "boolean" && types.has("boolean") ? "boolean" : wanted;
    const numbers = elements.map(Number);
    if (first === "boolean") return made(() => values.newBool(elements, shape));
    if (first === "int64") return made(() => values.newS64(numbers.map(integer), shape));
    const floats = made(() => values.newF32(numbers, shape));
    return wanted === "float32" ? floats : floats.to(wanted);
}

export function cat(tensors, dim = 0) {
    return TensorList.of(tensors).cat(dim);
}

export function stack(tensors, dim = 0) {
    return TensorList.of(tensors).stack(dim);
}

/** `float32`, but `boolean` for truth values: JavaScript does not tell 1 from 1.0, and most tensors hold floats. */
function kindOfElements(types, elements) {
    const [type] = types.size === 1 ? types : [types.size === 0 ? "number" : undefined];
    if (type === "boolean") return "boolean";
    if (type === "number") return "float32";
    throw new TypeError(`a tensor is made of numbers or of booleans, found ${describe(elements[0])} and others`);
}

/** The shape of nested arrays, and their elements in row-major order. */
function flatten(data) {
    if (!Array.isArray(data)) return [[], [data]];
    const parts = data.map(flatten);
    const shapes = new Set(parts.map(([shape]) => shape.join()));
    if (shapes.size > 1) throw new RangeError(`nested arrays of different lengths: [${[...shapes].join("], [")}]`);
    return [[data.length, ...(parts[0]?.[0] ?? [])], parts.flatMap(([, elements]) => elements)];
}
