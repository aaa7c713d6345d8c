// What a call gets: the batch, the model's outputs, and where in the run it happens.

import { text } from "./arguments.js";
import { ask } from "./errors.js";
import { made } from "./tensor.js";
import { TensorList } from "./tensor_list.js";

export class Batch {
    #handle;

    constructor(handle) {
        this.#handle = handle;
    }

    names() {
        return Array.from(this.#handle.names());
    }

    has(name) {
        return this.#handle.has(text(name));
    }

    tensor(name) {
        return made(() => this.#handle.tensor(text(name)));
    }

    get(name) {
        return this.has(name) ? this.tensor(name) : undefined;
    }
}

export class Outputs {
    #handle;

    constructor(handle) {
        this.#handle = handle;
    }

    names() {
        return Array.from(this.#handle.names());
    }

    has(name) {
        return this.#handle.has(text(name));
    }

    tensor(name) {
        return made(() => this.#handle.tensor(text(name)));
    }

    list(name) {
        return new TensorList(ask(() => this.#handle.list(text(name))));
    }

    get(name) {
        return this.has(name) ? this.tensor(name) : undefined;
    }

    getList(name) {
        return this.has(name) ? this.list(name) : undefined;
    }
}

/** The contract's context as the adaptor sees it. */
export function contextOf({ model, task, step }) {
    const isStudent = model.tag === "student";
    return { isStudent, teacher: isStudent ? undefined : model.val, task: task ?? undefined, step };
}
