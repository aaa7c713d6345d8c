// Generated from wit/ by `cargo xtask sdk`; do not edit.

import type { Reduction, Tensor } from "../index.js";

/**
 * The cross-entropy of logits `[…, classes]` and labels `[…]`: integers in 0..classes, or `ignoreIndex` (PyTorch's is
 * -100) for positions that do not count. `"none"` gives `[…]`; a mean over no position at all is NaN.
 *
 * Errors: `bad-kind`, `bad-shape`; for a label outside the classes `bad-argument` with the permission `read-values`,
 * while without it the call ends, because the error would tell what the labels hold.
 */
export function crossEntropy(
    logits: Tensor,
    labels: Tensor,
    options?: { ignoreIndex?: number; reduction?: Reduction },
): Tensor;

/**
 * The squared difference of two floating-point tensors of one shape.
 *
 * Errors: `bad-kind`, `bad-shape`.
 */
export function meanSquaredError(input: Tensor, target: Tensor, options?: { reduction?: Reduction }): Tensor;

/**
 * `target * (log(target) - input)`: `input` holds log-probabilities, `target` of the same shape probabilities, or
 * log-probabilities if `logTarget`. `"mean"` divides by the number of elements; for the mean over a batch divide the
 * sum by its size.
 *
 * Errors: `bad-kind`, `bad-shape`.
 */
export function klDivergence(
    input: Tensor,
    target: Tensor,
    options?: { logTarget?: boolean; reduction?: Reduction },
): Tensor;

/**
 * The cross-entropy of `sigmoid(logits)` and targets in 0..1, floating-point tensors of one shape.
 *
 * Errors: `bad-kind`, `bad-shape`.
 */
export function binaryCrossEntropyWithLogits(
    logits: Tensor,
    targets: Tensor,
    options?: { reduction?: Reduction },
): Tensor;

/**
 * The cosine of the angle between two floating-point tensors of one shape along a dimension, which vanishes from the
 * shape.
 *
 * Errors: `bad-kind`, `bad-shape`, `bad-dimension`.
 */
export function cosineSimilarity(left: Tensor, right: Tensor, dim?: number): Tensor;
