// What surrounds a call of a role: what is thrown becomes the contract's error.

import { redirect } from "./host.js";

const SHOWN = 12;

/** Refuses what is no function, before the component is finished. */
export function checked(role, call) {
    if (typeof call !== "function") throw new TypeError(`${role} is a function`);
    return call;
}

/** What `run` returns. */
export function guarded(run) {
    redirect();
    let failure;
    try {
        return run();
    } catch (error) {
        failure = describeFailure(error);
    }
    // The contract's error is a string; what is thrown must be exactly that.
    throw failure;
}

/** `RangeError: no labels`, and below it the plugin's lines, innermost first. */
function describeFailure(error) {
    if (!(error instanceof Error)) return `the plugin threw ${String(error)}`;
    const frames = framesOf(error.stack ?? "");
    const message = error.message ? `${error.name}: ${error.message}` : error.name;
    const cause = error.cause instanceof Error ? ` (after ${error.cause.name}: ${error.cause.message})` : "";
    const below = frames.map((frame) => `\n    ${frame}`).join("");
    return message + cause + (below && `\n  in the plugin, innermost first:${below}`);
}

/** The frames outside of the SDK: `    at refuse (/adaptor.ts:12:11)` becomes `adaptor.ts:12, in refuse`. */
function framesOf(stack) {
    const frames = [];
    for (const line of stack.split("\n")) {
        const [, name, file, number] = /^\s*at (.*?) ?\(?\/?([^\s()]+?):(\d+)(?::\d+)?\)?$/.exec(line) ?? [];
        if (file === undefined || file.startsWith("node_modules/brewer-sdk/")) continue;
        frames.push(name ? `${file}:${number}, in ${name}` : `${file}:${number}`);
    }
    return frames.slice(0, SHOWN);
}
