// Tensors in order, such as the hidden states of all layers.

import * as contract from "brewer:plugin/tensor@0.1.0";

import { count, describe, integer } from "./arguments.js";
import { ask } from "./errors.js";
import { Tensor, made } from "./tensor.js";

/** Tensors in order; lazy if it is one of a model's outputs. `index.d.ts` documents the methods. */
export class TensorList {
    #handle;

    constructor(handle = new contract.TensorList()) {
        if (!(handle instanceof contract.TensorList)) throw new TypeError("use TensorList.of for a list of tensors");
        this.#handle = handle;
    }

    static of(tensors) {
        if (tensors instanceof TensorList) return tensors;
        const list = new TensorList();
        for (const tensor of tensors) list.push(tensor);
        return list;
    }

    /** The host's handle of a list. */
    static handle(value) {
        if (!(value instanceof TensorList)) throw new TypeError(`expected a TensorList, found ${describe(value)}`);
        return value.#handle;
    }

    get length() {
        return this.#handle.len();
    }

    at(index) {
        const length = this.length;
        const position = integer(index) < 0 ? index + length : index;
        if (position < 0 || position >= length) {
            throw new RangeError(`there is no tensor ${index} in a list of ${length}`);
        }
        return made(() => this.#handle.get(position));
    }

    push(tensor) {
        ask(() => this.#handle.push(Tensor.handle(tensor)));
    }

    narrow(start, length) {
        return new TensorList(ask(() => this.#handle.narrow(count(start), count(length))));
    }

    slice(start = 0, end = this.length) {
        const length = this.length;
        const clip = (index) => Math.min(Math.max(integer(index) < 0 ? index + length : index, 0), length);
        return this.narrow(clip(start), Math.max(clip(end) - clip(start), 0));
    }

    cat(dim = 0) {
        return made(() => this.#handle.cat(integer(dim)));
    }

    stack(dim = 0) {
        return made(() => this.#handle.stack(integer(dim)));
    }

    *[Symbol.iterator]() {
        for (let index = 0; index < this.length; index++) yield this.at(index);
    }

    drop() {
        this.#handle[Symbol.dispose]();
    }
}
