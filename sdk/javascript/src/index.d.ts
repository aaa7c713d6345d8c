/** Write plugins for Brewer in JavaScript and TypeScript. */

import { Operations } from "./generated/operations.js";

/** What an adaptor is: it takes features of a batch out of a model's outputs. It is not async. */
export type Adapt = (batch: Batch, outputs: Outputs, context: Context) => Features;

/**
 * Makes a function the plugin's adaptor: `export const adaptor = defineAdaptor(adapt)`.
 *
 * What it throws ends the run with its message and the plugin's lines.
 */
export function defineAdaptor(adapt: Adapt): { adapt(context: unknown, batch: unknown, outputs: unknown): unknown };

/** Makes a function the plugin's batch post-processor: `export const batchPostprocessor = …`. It changes the batch before
 * the models see it. */
export function defineBatchPostprocessor(
    process: (batch: EditableBatch, context: Context) => EditableBatch | void,
): { process(context: unknown, batch: unknown): unknown };

/** Makes a function the plugin's KD loss: `export const kdLoss = …`. It returns one number for each row, `[rows]`, or
 * a tensor of one element, which an experiment with `kd_chunk_rows` refuses; computed from `inputs.student` by differentiable
 * operations. */
export function defineKdLoss(loss: (inputs: KdInputs) => Tensor): { loss(inputs: unknown): unknown };

/** Makes a function the plugin's match loss: `export const matchLoss = …`, of one layer of each side or of `numLayers`. */
export function defineMatchLoss(
    loss: (inputs: MatchInputs) => Tensor,
    options?: { numLayers?: number },
): { numLayers(): number; loss(inputs: unknown): unknown };

/** Makes a function the plugin's weight scheduler: `export const weightScheduler = …`. `progress` is the share of
 * optimizer steps done, in 0..1. */
export function defineWeightScheduler(weight: (progress: number) => number): { weight(progress: number): number };

/**
 * Lets the plugin's memory survive a run that is resumed: `export const state = …` beside the plugin's role, and
 * `"state": true` in `plugin.json`. `save` returns the memory as bytes, at each checkpoint; `restore` makes it again what it
 * was.
 */
export function defineState(
    save: () => Uint8Array,
    restore: (bytes: Uint8Array) => void,
): { save(): Uint8Array; restore(bytes: Uint8Array): void };

/** What logits are divided by before the softmax: one number, or one for each row of logits. */
export class Temperature {
    private constructor();
    /** The number; undefined if there is one for each row. */
    readonly value: number | undefined;
    /** One for each row, `[rows]`; a scalar tensor if it is one number. */
    readonly values: Tensor;
    /** The logits `[rows, classes]` divided by the temperature. */
    soften(logits: Tensor): Tensor;
}

/** What a KD loss compares: logits, `[rows, classes]`. */
export interface KdInputs {
    /** Before any softmax, with a gradient. */
    readonly student: Tensor;
    /** Without a gradient. */
    readonly teacher: Tensor;
    readonly temperature: Temperature;
    /** Integers `[rows]`, -100 where a row has none. */
    readonly labels: Tensor | undefined;
}

/** What a match loss compares: hidden states `[batch, length, hidden]` or attention maps
 * `[batch, heads, length, length]`. */
export interface MatchInputs {
    /** After the projection, with gradients. */
    readonly student: Tensor[];
    /** Without gradients. */
    readonly teacher: Tensor[];
    /** `[batch, length]`, 1 for tokens and 0 for padding; without one every position counts. */
    readonly mask: Tensor | undefined;
}

/** Where in a run a call happens. */
export interface Context {
    /** Whether the outputs are the student's. */
    readonly isStudent: boolean;
    /** The index of the teacher, 0 when there is one; undefined for the student. */
    readonly teacher: number | undefined;
    /** The task's name where the experiment has several. */
    readonly task: string | undefined;
    /** The forward step, counted from 0. */
    readonly step: number;
}

/** The point of a run at which a call is made. */
export interface Step {
    /** The forward step, counted from 0. */
    readonly step: number;
    /** The optimizer steps that are done. */
    readonly globalStep: number;
    /** The epoch, counted from 0. */
    readonly epoch: number;
    /** The share of the run's optimizer steps that are done, in 0..1. */
    readonly progress: number;
    /** The task's name where the experiment has several. */
    readonly task: string | undefined;
    /** Whether the call is about the student alone. */
    readonly isStudent: boolean;
    /** The index of the teacher that the call is about, 0 when there is one; undefined for the student, and in a role that
     * is called for student and teacher together. */
    readonly teacher: number | undefined;
}

/** The point of the run at which the call is made, in every role. Everything is 0 or undefined while the plugin starts or
 * its state is saved or restored. */
export function step(): Step;

/** One tensor where several may stand. */
export type Tensors = Tensor | readonly Tensor[] | TensorList | null | undefined;

/** What losses are computed from, under TextBrewer's keys. Each may be left out, not all. */
export interface Features {
    /** `[batch, labels]` or `[batch, length, labels]` each, before any softmax. */
    logits?: Tensors;
    /** `[batch, length]` each, 1 where logits of `[batch, length, labels]` count: one for all logits, or one for each. */
    logits_mask?: Tensors;
    /** `[batch]` or `[batch, length]` each, integers, one for each of `logits`. */
    labels?: Tensors;
    /** Losses of any shape; the mean of each is added to the total. */
    losses?: Tensors;
    /** `[batch, length, hidden]` each; a match selects them by position. */
    hidden?: Tensors;
    /** `[batch, heads, length, length]` each; a match selects them by position. */
    attention?: Tensors;
    /** `[batch, length]`, 1 for tokens and 0 for padding: the mask of every match. */
    inputs_mask?: Tensor | null | undefined;
}

/** The batch that the model was called with: tensors by name. The first dimension of each is the batch. */
export class Batch {
    protected constructor();
    /** The names of all tensors: `input_ids`, `attention_mask`, `labels`, … */
    names(): string[];
    has(name: string): boolean;
    /** The tensor `name`; throws if there is none. */
    tensor(name: string): Tensor;
    /** The tensor `name`, if there is one. */
    get(name: string): Tensor | undefined;
}

/** A batch that is the plugin's to change. */
export class EditableBatch extends Batch {
    set(name: string, tensor: Tensor): void;
    delete(name: string): void;
}

/** What the model returned, by Hugging Face's names. What no plugin and no loss reads is not computed: ask for what you
 * need, when you need it. */
export class Outputs {
    private constructor();
    /** The names of all that the model can return, computed or not. */
    names(): string[];
    has(name: string): boolean;
    /** Reads the tensor `name`; throws if there is none. */
    tensor(name: string): Tensor;
    /** The list `name` (`hidden_states`, `attentions`) without reading any of it; throws if there is none. */
    list(name: string): TensorList;
    /** Reads the tensor `name`, if the model has one. */
    get(name: string): Tensor | undefined;
    /** The list `name`, if the model has one. */
    getList(name: string): TensorList | undefined;
}

/** The kind of a tensor's elements. */
export type Kind =
    | "float16"
    | "bfloat16"
    | "float32"
    | "float64"
    | "uint8"
    | "int8"
    | "int16"
    | "int32"
    | "int64"
    | "boolean";

/** A number that counts as a floating-point one although it is whole. */
export interface Float {
    readonly value: number;
}

/** `float(2)` is what `2.0` is in Python. A whole number counts as an integer otherwise, which matters to tensors of
 * integers: times 2 they stay integers, times `float(2)` they become `float32`. */
export function float(value: number): Float;

/** The other side of an operation: a tensor, which broadcasts, or a number. */
export type Operand = Tensor | number | Float;

/** A dimension or several, of which negative ones count from the end; a shape. */
export type Dims = number | readonly number[];

/** A tensor that the host holds. No method changes it. Semantics are PyTorch's: shapes broadcast, kinds promote,
 * gradients flow. What cannot be done throws a `TensorError`. It lives until the call returns. */
export class Tensor extends Operations {
    private constructor();
    /** The size of each dimension; empty for a scalar. */
    readonly shape: number[];
    readonly kind: Kind;
    /** The number of dimensions. */
    readonly rank: number;
    /** The number of elements. */
    readonly numel: number;
    /** Drops the handle before the call ends, to stay below the limit on live handles. */
    drop(): void;

    /** All elements in row-major order. Needs the permission `read-values`. */
    toArray(): number[] | boolean[];
    /** `length` elements from element `start` on. Needs the permission `read-values`. */
    read(start: number, length: number): number[] | boolean[];
    /** The element of a tensor that has one. Needs the permission `read-values`. */
    item(): number | boolean;

    /** The index of the largest element along `dim`, of all elements without it, as `int64`. */
    argmax(dim?: number, keepdim?: boolean): Tensor;
}

/** Tensors in order. A list of a model's outputs is lazy: a tensor of it is read when it is taken out, and passing the
 * list on reads nothing. */
export class TensorList implements Iterable<Tensor> {
    constructor();
    static of(tensors: Iterable<Tensor>): TensorList;
    readonly length: number;
    /** Reads a tensor; a negative index counts from the end. */
    at(index: number): Tensor;
    push(tensor: Tensor): void;
    /** The positions `start..start + length`, without reading them. */
    narrow(start: number, length: number): TensorList;
    /** The positions `start..end`, as `slice` of an array, without reading them. */
    slice(start?: number, end?: number): TensorList;
    /** The tensors joined along a dimension that they have: two of `[a, b]` give `[2a, b]` for dim 0. */
    cat(dim?: number): Tensor;
    /** The tensors, all of one shape, joined along a new dimension. */
    stack(dim?: number): Tensor;
    [Symbol.iterator](): Iterator<Tensor>;
    /** Drops the handle before the call ends. */
    drop(): void;
}

/** New tensors, on the device of the model. */
export * from "./generated/creation.js";
/** `start`, `start + step`, … below `end`, as `[n]`; from 0 if there is one argument. */
export function arange(start: number | Float, end?: number | Float, step?: number | Float, kind?: Kind): Tensor;
export type Nested<T> = T | readonly Nested<T>[];
/** A tensor of numbers (`float32` unless a kind is given) or booleans, from nested arrays. */
export function tensor(data: Nested<number> | Nested<boolean>, kind?: Kind): Tensor;
/** Tensors joined along a dimension that they have; along a new one. */
export function cat(tensors: Iterable<Tensor>, dim?: number): Tensor;
export function stack(tensors: Iterable<Tensor>, dim?: number): Tensor;

export type Reduction = "none" | "mean" | "sum";

/** Losses with PyTorch's definitions. All are differentiable; `reduction` is `"mean"` unless given. */
export * as losses from "./generated/losses.js";

/** Why the host did not do what it was asked. Let `not-computed` pass: the host computes the output and calls again. */
export class TensorError extends Error {
    readonly code:
        | "bad-dimension"
        | "bad-shape"
        | "bad-kind"
        | "bad-argument"
        | "not-found"
        | "not-computed"
        | "not-permitted"
        | "over-limit"
        | "released"
        | "failed";
}

/** The plugin's `config` in the experiment; `{}` if there is none. */
export function config(): any;

/** Writes to the run's log; `console` does the same. */
export const log: {
    debug(...values: unknown[]): void;
    info(...values: unknown[]): void;
    warn(...values: unknown[]): void;
    error(...values: unknown[]): void;
};

/** A random number in 0..1, 1 excluded. It follows from the experiment's seed, the model, the task and the step. Two
 * instances of one role, as two KD losses are, draw the same numbers at a step. In a call `Math.random` is the same. */
export function random(): number;

/** A random integer in 0..`end`, `end` excluded. */
export function randomInt(end: number): number;
