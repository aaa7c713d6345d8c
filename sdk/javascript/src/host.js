// What surrounds the plugin: its configuration, the step, the log, random numbers.

import * as contract from "brewer:plugin/host@0.1.0";

export function config() {
    return JSON.parse(contract.config());
}

export function step() {
    const { step, globalStep, epoch, progress, task, side } = contract.step();
    const [isStudent, teacher] = [side?.tag === "student", side?.tag === "teacher" ? side.val : undefined];
    const counts = { step: Number(step), globalStep: Number(globalStep), epoch: Number(epoch) };
    return { ...counts, progress, task: task ?? undefined, isStudent, teacher };
}

/** Writes arguments to the run's log, as `console.log` shows them. */
function write(level) {
    const shown = (value) => {
        if (typeof value === "string") return value;
        if (typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype) {
            return JSON.stringify(value);
        }
        return Array.isArray(value) ? JSON.stringify(value) : String(value);
    };
    return (...values) => contract.log(level, values.map(shown).join(" "));
}

export const log = { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") };

export function random() {
    return contract.randomUniform();
}

export function randomInt(end) {
    if (!Number.isSafeInteger(end) || end < 1) throw new RangeError(`the end is ${end}; expected a positive integer`);
    return Math.floor(contract.randomUniform() * end);
}

/** Gives `console` and `Math.random` their places in the host. Not while the component is built: there is no host. */
export function redirect() {
    globalThis.console = { ...log, log: log.info };
    Math.random = random;
}
