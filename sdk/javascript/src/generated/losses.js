// Generated from wit/ by `cargo xtask sdk`; do not edit.

import * as contract from "brewer:plugin/losses@0.1.0";

import { integer, reductionOf } from "../arguments.js";
import { Tensor, made } from "../tensor.js";

export function crossEntropy(logits, labels, { ignoreIndex = -100, reduction = "mean" } = {}) {
    return made(() =>
        contract.crossEntropy(Tensor.handle(logits), Tensor.handle(labels), integer(ignoreIndex), reductionOf(reduction)),
    );
}

export function meanSquaredError(input, target, { reduction = "mean" } = {}) {
    return made(() => contract.meanSquaredError(Tensor.handle(input), Tensor.handle(target), reductionOf(reduction)));
}

export function klDivergence(input, target, { logTarget = false, reduction = "mean" } = {}) {
    return made(() =>
        contract.klDivergence(Tensor.handle(input), Tensor.handle(target), Boolean(logTarget), reductionOf(reduction)),
    );
}

export function binaryCrossEntropyWithLogits(logits, targets, { reduction = "mean" } = {}) {
    return made(() =>
        contract.binaryCrossEntropyWithLogits(Tensor.handle(logits), Tensor.handle(targets), reductionOf(reduction)),
    );
}

export function cosineSimilarity(left, right, dim = 1) {
    return made(() => contract.cosineSimilarity(Tensor.handle(left), Tensor.handle(right), integer(dim)));
}
