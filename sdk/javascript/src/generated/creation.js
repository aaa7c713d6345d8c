// Generated from wit/ by `cargo xtask sdk`; do not edit.

import * as contract from "brewer:plugin/tensor@0.1.0";

import { checkedKind, integers, kindOf, scalar } from "../arguments.js";
import { made } from "../tensor.js";

export function zeros(shape, kind = "float32") {
    return made(() => contract.zeros(integers(shape), checkedKind(kind)));
}

export function ones(shape, kind = "float32") {
    return made(() => contract.ones(integers(shape), checkedKind(kind)));
}

export function full(shape, value, kind = kindOf(value)) {
    return made(() => contract.full(integers(shape), scalar(value), checkedKind(kind)));
}

export function arange(start, end, step, kind) {
    return made(() => contract.arange(scalar(start), scalar(end), scalar(step), checkedKind(kind)));
}
