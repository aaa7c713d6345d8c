// Losses with PyTorch's definitions.

import * as contract from "brewer:plugin/losses@0.1.0";

import { integer, oneOf } from "./arguments.js";
import { Tensor, made } from "./tensor.js";

const checked = (reduction) => oneOf("the reduction", ["none", "mean", "sum"], reduction);

export function crossEntropy(logits, labels, { ignoreIndex = -100, reduction = "mean" } = {}) {
    return made(() =>
        contract.crossEntropy(Tensor.handle(logits), Tensor.handle(labels), integer(ignoreIndex), checked(reduction)),
    );
}

export function meanSquaredError(input, target, { reduction = "mean" } = {}) {
    return made(() => contract.meanSquaredError(Tensor.handle(input), Tensor.handle(target), checked(reduction)));
}

export function klDivergence(input, target, { logTarget = false, reduction = "mean" } = {}) {
    return made(() =>
        contract.klDivergence(Tensor.handle(input), Tensor.handle(target), Boolean(logTarget), checked(reduction)),
    );
}

export function binaryCrossEntropyWithLogits(logits, targets, { reduction = "mean" } = {}) {
    return made(() =>
        contract.binaryCrossEntropyWithLogits(Tensor.handle(logits), Tensor.handle(targets), checked(reduction)),
    );
}

export function cosineSimilarity(left, right, dim = 1) {
    return made(() => contract.cosineSimilarity(Tensor.handle(left), Tensor.handle(right), integer(dim)));
}
