// Generated from wit/ by `cargo xtask sdk`; do not edit.

import type { Dims, Float, Kind, Tensor } from "../index.js";

/** A tensor of zeros. */
export function zeros(shape: Dims, kind?: Kind): Tensor;

/** A tensor of ones. */
export function ones(shape: Dims, kind?: Kind): Tensor;

/** A tensor of one value. */
export function full(shape: Dims, value: number | Float, kind?: Kind): Tensor;

/**
 * `start`, `start + step`, … below `end` (above it for a negative step), as `[n]`.
 *
 * Errors: `bad-argument` for a step of 0, a step away from `end`, or a number that is not finite.
 */
export function arange(start: number | Float, end: number | Float, step: number | Float, kind: Kind): Tensor;
