// What the host refuses becomes an exception.

/**
 * The host did not do what it was asked. Codes are the contract's: `bad-dimension`, `bad-shape`, `bad-kind`,
 * `bad-argument`, `not-found`, `not-computed`, `not-permitted`, `over-limit`, `released`, `failed`.
 */
export class TensorError extends Error {
    constructor(code, message) {
        super(message);
        this.name = "TensorError";
        this.code = code;
    }
}

/** Calls a function; an error of the contract that it throws is thrown as a `TensorError`. */
export function ask(call) {
    try {
        return call();
    } catch (error) {
        const refused = error?.payload;
        if (refused?.code === undefined) throw error;
        throw new TensorError(refused.code, refused.message);
    }
}
