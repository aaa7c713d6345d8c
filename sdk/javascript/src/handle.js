// The host's handle, which a tensor keeps to itself.

import * as contract from "brewer:plugin/tensor@0.1.0";

import { describe } from "./arguments.js";
import { ask } from "./errors.js";

/** What a tensor is to the host. `Tensor` adds what can be done with it. */
export class TensorHandle {
    #handle;

    constructor(handle) {
        if (!(handle instanceof contract.Tensor)) {
            throw new TypeError("a tensor is made by tensor, zeros, ones, full or arange");
        }
        this.#handle = handle;
    }

    /** The host's handle of a tensor. */
    static handle(value) {
        if (!(value instanceof TensorHandle)) throw new TypeError(`expected a Tensor, found ${describe(value)}`);
        return value.#handle;
    }
}

/** The tensor whose handle `call` gets from the host with the handle of `tensor`. */
export function computed(tensor, call) {
    const handle = TensorHandle.handle(tensor);
    return new tensor.constructor(ask(() => call(handle)));
}
