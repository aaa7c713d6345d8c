// Generated from wit/ by `cargo xtask sdk`; do not edit.

import type { Dims, Float, Kind, Operand, Tensor } from "../index.js";

/** What tensors compute, with PyTorch's semantics. */
export class Operations {
    /** Another handle to the same tensor. */
    share(): Tensor;
    /** The same elements without a gradient. */
    detach(): Tensor;
    /** The elements converted: to integers by cutting off, to `boolean` by `!= 0`. */
    to(kind: Kind): Tensor;
    /**
     * The elements at one index of a dimension, which vanishes: `[a, b, c]` becomes `[a, c]` for dim 1. A negative
     * index counts from the end.
     */
    select(dim: number, index: number): Tensor;
    /** The elements `start..start + length` of a dimension: `[a, b]` becomes `[a, length]` for dim 1. */
    narrow(dim: number, start: number, length: number): Tensor;
    /** Another shape with as many elements; one size may be -1 and follows from the others. */
    reshape(shape: Dims): Tensor;
    /** The dimensions in another order; each is named once. */
    permute(dims: Dims): Tensor;
    /** Two dimensions exchanged. */
    transpose(first: number, second: number): Tensor;
    /** Without dimension `dim` if its size is 1, unchanged otherwise. */
    squeeze(dim: number): Tensor;
    /** With a dimension of size 1 put in before `dim`; -1 appends it. */
    unsqueeze(dim: number): Tensor;
    /** Dimensions of size 1 repeated to `shape`, which may have more dimensions in front; -1 keeps a size. */
    expand(shape: Dims): Tensor;
    /** The dimensions `first..=last` made one. */
    flatten(first?: number, last?: number): Tensor;
    /** `this + other` */
    add(other: Operand): Tensor;
    /** `this - other` */
    sub(other: Operand): Tensor;
    /** `this * other` */
    mul(other: Operand): Tensor;
    /** `this / other`; integers give `float32`. */
    div(other: Operand): Tensor;
    /** The larger of each two elements. */
    maximum(other: Tensor): Tensor;
    /** The smaller of each two elements. */
    minimum(other: Tensor): Tensor;
    /** Each element raised to `exponent`. */
    pow(exponent: number | Float): Tensor;
    /** Each element, but at least `min` and at most `max`, where given. */
    clamp(min?: number | Float | null, max?: number | Float | null): Tensor;
    /** `-this` */
    neg(): Tensor;
    /** The absolute values. */
    abs(): Tensor;
    /** e to the power of each element. */
    exp(): Tensor;
    /** The natural logarithm. */
    log(): Tensor;
    /** The square roots; NaN of negative numbers. */
    sqrt(): Tensor;
    /** The hyperbolic tangents. */
    tanh(): Tensor;
    /** `1 / (1 + exp(-this))` */
    sigmoid(): Tensor;
    /** Each element, but at least 0. */
    relu(): Tensor;
    /** The exact GELU, by the error function. */
    gelu(): Tensor;
    /** `this == other` */
    eq(other: Operand): Tensor;
    /** `this != other` */
    ne(other: Operand): Tensor;
    /** `this < other` */
    lt(other: Operand): Tensor;
    /** `this <= other` */
    le(other: Operand): Tensor;
    /** `this > other` */
    gt(other: Operand): Tensor;
    /** `this >= other` */
    ge(other: Operand): Tensor;
    /** True where both are not zero. */
    logicalAnd(other: Tensor): Tensor;
    /** True where one or both are not zero. */
    logicalOr(other: Tensor): Tensor;
    /** True where the element is zero. */
    logicalNot(): Tensor;
    /** `this` where `condition` (a `boolean` tensor) holds and `other` elsewhere; all three broadcast. */
    where(condition: Tensor, other: Tensor): Tensor;
    /** The sum over `dim`. Integers and `boolean` give `int64`. */
    sum(dim?: Dims, keepdim?: boolean): Tensor;
    /** The mean over `dim` of a floating-point tensor. */
    mean(dim?: Dims, keepdim?: boolean): Tensor;
    /**
     * The logarithm of the sum of the exponentials over `dim` of a floating-point tensor, computed stably: what a
     * softmax divides by, for losses that are made of parts of one.
     */
    logsumexp(dim?: Dims, keepdim?: boolean): Tensor;
    /** The largest elements over `dim`; a gradient is shared evenly among equal ones. */
    max(dim?: Dims, keepdim?: boolean): Tensor;
    /** The smallest elements over `dim`; a gradient is shared evenly among equal ones. */
    min(dim?: Dims, keepdim?: boolean): Tensor;
    /** The `p`-norm over `dim` of a floating-point tensor: 2 for the Euclidean one. */
    norm(p?: number, dim?: Dims, keepdim?: boolean): Tensor;
    /** Whether any element over `dim` is not zero. */
    any(dim?: Dims, keepdim?: boolean): Tensor;
    /** Whether no element over `dim` is zero. */
    all(dim?: Dims, keepdim?: boolean): Tensor;
    /**
     * The index of the largest element along `dim`, as `int64`. The dimension vanishes, or stays with size 1 if
     * `keepdim`.
     */
    argmax(dim: number, keepdim?: boolean): Tensor;
    /** Softmax of a floating-point tensor along `dim`. */
    softmax(dim: number): Tensor;
    /** The logarithm of the softmax along `dim`, computed stably. */
    logSoftmax(dim: number): Tensor;
    /**
     * The matrix product: `[…, n, k]` by `[…, k, m]` gives `[…, n, m]`; the dimensions in front broadcast; one
     * dimension is a vector. Both tensors have one kind.
     *
     * Errors: `bad-shape`, `bad-kind`, `over-limit`.
     */
    matmul(other: Tensor): Tensor;
    /**
     * The elements that `index` (`int64`, of as many dimensions) names: each of its elements picks the element of
     * `this` at that index of `dim` and its own place elsewhere.
     *
     * Errors: `bad-dimension`, `bad-shape`, `bad-kind`; for an index outside `bad-argument` with the permission
     * `read-values`, while without it the call ends, because the error would tell what the index holds.
     */
    gather(dim: number, index: Tensor): Tensor;
    /**
     * The parts of `dim` that `index` (`int64`, `[n]`) names: `[a, b]` becomes `[a, n]` for dim 1.
     *
     * Errors: as for `gather`.
     */
    indexSelect(dim: number, index: Tensor): Tensor;
    /**
     * `value` where `mask` (`boolean`, broadcast to `this`) holds and `this` elsewhere.
     *
     * Errors: `bad-kind`, `bad-shape`, `over-limit`.
     */
    maskedFill(mask: Tensor, value: number | Float): Tensor;
    /**
     * The elements where `mask` (`boolean`; both broadcast) holds, as `[n]`. How many there are tells what the mask
     * holds, so the experiment must permit it; a loss that multiplies by the mask needs no permission.
     *
     * Errors: `not-permitted`, `bad-kind`, `bad-shape`, `over-limit`.
     *
     * Needs the permission `read-values`.
     */
    maskedSelect(mask: Tensor): Tensor;
}
