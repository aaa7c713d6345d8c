// What a call gets: the batch, the model's outputs, and where in the run it happens.

import { text } from "./arguments.js";
import { ask } from "./errors.js";
import { Tensor, made } from "./tensor.js";
import { TensorList } from "./tensor_list.js";

/** Tensors under names that the host holds. */
class Named {
    #handle;

    constructor(handle) {
        this.#handle = handle;
    }

    /** The host's handle. */
    static handle(value) {
        return value.#handle;
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

export class Batch extends Named {}

/** A batch that is the plugin's to change. */
export class EditableBatch extends Batch {
    set(name, tensor) {
        ask(() => Named.handle(this).insert(text(name), Tensor.handle(tensor)));
    }

    delete(name) {
        ask(() => Named.handle(this).remove(text(name)));
    }
}

export class Outputs extends Named {
    list(name) {
        return new TensorList(ask(() => Named.handle(this).list(text(name))));
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
