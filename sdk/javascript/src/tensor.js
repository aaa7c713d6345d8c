// Tensors. The elements stay with the host, which computes; a `Tensor` is a handle.

import * as contract from "brewer:plugin/tensor@0.1.0";
import * as values from "brewer:plugin/values@0.1.0";

import { Float, count, describe, dimensions, integer, integers, isNumber, oneOf, scalar } from "./arguments.js";
import { ask } from "./errors.js";

const FLOATING = ["float16", "bfloat16", "float32", "float64"];
const KINDS = [...FLOATING, "uint8", "int8", "int16", "int32", "int64", "boolean"];

/** A tensor that the host holds. `index.d.ts` documents the methods. */
export class Tensor {
    #handle;

    constructor(handle) {
        if (!(handle instanceof contract.Tensor)) {
            throw new TypeError("a tensor is made by tensor, zeros, ones, full or arange");
        }
        this.#handle = handle;
    }

    /** The host's handle of a tensor. */
    static handle(value) {
        if (!(value instanceof Tensor)) throw new TypeError(`expected a Tensor, found ${describe(value)}`);
        return value.#handle;
    }

    get shape() {
        return Array.from(this.#handle.shape());
    }

    get kind() {
        return this.#handle.kind();
    }

    get rank() {
        return this.shape.length;
    }

    get numel() {
        return this.shape.reduce((product, size) => product * size, 1);
    }

    toString() {
        return `Tensor([${this.shape.join(", ")}], ${this.kind})`;
    }

    drop() {
        this.#handle[Symbol.dispose]();
    }

    toArray() {
        return this.read(0, this.numel);
    }

    read(start, length) {
        const kind = this.kind;
        let read = kind === "boolean" ? values.readBool : values.readS64;
        if (FLOATING.includes(kind)) read = values.readF32;
        return Array.from(ask(() => read(this.#handle, count(start), count(length))));
    }

    item() {
        const shape = this.shape;
        if (shape.some((size) => size !== 1)) throw new RangeError(`[${shape}] has not one element`);
        return this.read(0, 1)[0];
    }

    to(kind) {
        return made(() => this.#handle.toKind(checkedKind(kind)));
    }

    select(dim, index) {
        return made(() => this.#handle.select(integer(dim), integer(index)));
    }

    narrow(dim, start, length) {
        return made(() => this.#handle.narrow(integer(dim), integer(start), integer(length)));
    }

    reshape(shape) {
        return made(() => this.#handle.reshape(integers(shape)));
    }

    permute(dims) {
        return made(() => this.#handle.permute(integers(dims)));
    }

    transpose(first, second) {
        return made(() => this.#handle.transpose(integer(first), integer(second)));
    }

    squeeze(dim) {
        return made(() => this.#handle.squeeze(integer(dim)));
    }

    unsqueeze(dim) {
        return made(() => this.#handle.unsqueeze(integer(dim)));
    }

    expand(shape) {
        return made(() => this.#handle.expand(integers(shape)));
    }

    flatten(first = 0, last = -1) {
        return made(() => this.#handle.flatten(integer(first), integer(last)));
    }

    pow(exponent) {
        return made(() => this.#handle.powScalar(scalar(exponent)));
    }

    clamp(min, max) {
        const bound = (value) => (value === undefined || value === null ? null : scalar(value));
        return made(() => this.#handle.clamp(bound(min), bound(max)));
    }

    where(condition, other) {
        return made(() => this.#handle.where(Tensor.handle(condition), Tensor.handle(other)));
    }

    norm(p = 2, dim = undefined, keepdim = false) {
        return made(() => this.#handle.norm(Number(p), dimensions(dim), Boolean(keepdim)));
    }

    argmax(dim, keepdim = false) {
        if (dim === undefined) return this.reshape([-1]).argmax(0);
        return made(() => this.#handle.argmax(integer(dim), Boolean(keepdim)));
    }

    softmax(dim) {
        return made(() => this.#handle.softmax(integer(dim)));
    }

    logSoftmax(dim) {
        return made(() => this.#handle.logSoftmax(integer(dim)));
    }

    gather(dim, index) {
        return made(() => this.#handle.gather(integer(dim), Tensor.handle(index)));
    }

    indexSelect(dim, index) {
        return made(() => this.#handle.indexSelect(integer(dim), Tensor.handle(index)));
    }

    maskedFill(mask, value) {
        return made(() => this.#handle.maskedFill(Tensor.handle(mask), scalar(value)));
    }
}

/** The tensor whose handle `call` gets from the host. */
export function made(call) {
    return new Tensor(ask(call));
}

/** `kind`, if it is one. */
export function checkedKind(kind) {
    return oneOf("the kind", KINDS, kind);
}

/** The kind of a tensor of this number. */
export function kindOf(value) {
    return value instanceof Float || !Number.isSafeInteger(value) ? "float32" : "int64";
}

/** Adds a method whose function gets the handle and the arguments. */
function define(name, call) {
    const method = function (...operands) {
        return made(() => call(Tensor.handle(this), ...operands));
    };
    Object.defineProperty(method, "name", { value: name });
    Object.defineProperty(Tensor.prototype, name, { value: method, writable: true, configurable: true });
}

for (const name of ["share", "detach", "neg", "abs", "exp", "log", "sqrt", "tanh", "sigmoid", "relu", "gelu"]) {
    define(name, (handle) => handle[name]());
}
define("logicalNot", (handle) => handle.logicalNot());
for (const name of ["maximum", "minimum", "matmul", "logicalAnd", "logicalOr", "maskedSelect"]) {
    define(name, (handle, other) => handle[name](Tensor.handle(other)));
}
for (const name of ["add", "sub", "mul", "div", "eq", "ne", "lt", "le", "gt", "ge"]) {
    define(name, (handle, other) =>
        isNumber(other) ? handle[`${name}Scalar`](scalar(other)) : handle[name](Tensor.handle(other)),
    );
}
for (const name of ["sum", "mean", "max", "min", "any", "all"]) {
    define(name, (handle, dim, keepdim) => handle[name](dimensions(dim), Boolean(keepdim)));
}
