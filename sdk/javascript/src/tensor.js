// Tensors. The elements stay with the host, which computes; a `Tensor` is a handle.

import * as values from "brewer:plugin/values@0.1.0";

import { FLOATING, count } from "./arguments.js";
import { ask } from "./errors.js";
import { Operations } from "./generated/operations.js";

/** A tensor that the host holds. `index.d.ts` documents the methods. */
export class Tensor extends Operations {
    get shape() {
        return Array.from(Tensor.handle(this).shape());
    }

    get kind() {
        return Tensor.handle(this).kind();
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
        Tensor.handle(this)[Symbol.dispose]();
    }

    toArray() {
        return this.read(0, this.numel);
    }

    read(start, length) {
        const kind = this.kind;
        let read = kind === "boolean" ? values.readBool : values.readS64;
        if (FLOATING.includes(kind)) read = values.readF32;
        return Array.from(ask(() => read(Tensor.handle(this), count(start), count(length))));
    }

    item() {
        const shape = this.shape;
        if (shape.some((size) => size !== 1)) throw new RangeError(`[${shape}] has not one element`);
        return this.read(0, 1)[0];
    }

    argmax(dim, keepdim = false) {
        return dim === undefined ? this.reshape([-1]).argmax(0) : super.argmax(dim, keepdim);
    }
}

/** The tensor whose handle `call` gets from the host. */
export function made(call) {
    return new Tensor(ask(call));
}
