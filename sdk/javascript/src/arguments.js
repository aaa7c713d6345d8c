// Checks before an argument crosses to the host: there, a value of another type would end the call without a word.

/** The kinds of floating-point numbers, and all. */
export const FLOATING = ["float16", "bfloat16", "float32", "float64"];
const KINDS = [...FLOATING, "uint8", "int8", "int16", "int32", "int64", "boolean"];

/** `value` as an integer that a number can hold exactly. */
export function integer(value) {
    if (typeof value === "bigint") return integer(Number(value));
    if (typeof value !== "number") throw new TypeError(`expected an integer, found ${describe(value)}`);
    if (!Number.isSafeInteger(value)) throw new RangeError(`${value} is not a safe integer`);
    return value;
}

/** `value` as a position or a number of things. */
export function count(value) {
    const number = integer(value);
    if (number < 0 || number > 0xffffffff) throw new RangeError(`${number} is outside 0..4294967295`);
    return number;
}

/** A shape or dimensions: an array, or one number. */
export function integers(values) {
    if (typeof values === "number") return [integer(values)];
    if (values?.[Symbol.iterator] === undefined || typeof values === "string") {
        throw new TypeError(`expected integers, found ${describe(values)}`);
    }
    return Array.from(values, integer);
}

/** `dim` of a reduction; without one it is all, for which the contract has an empty list. */
export function dimensions(dim) {
    return dim === undefined || dim === null ? [] : integers(dim);
}

/** A number that counts as a floating-point one although it is whole. */
export class Float {
    constructor(value) {
        this.value = Number(value);
    }
}

export function isNumber(value) {
    return typeof value === "number" || value instanceof Float;
}

/** A number as the contract's `scalar`: a whole one is an integer, as `2` is in Python and `2.0` is not. */
export function scalar(value) {
    if (value instanceof Float) return { tag: "float", val: value.value };
    if (typeof value !== "number") throw new TypeError(`expected a number, found ${describe(value)}`);
    return Number.isSafeInteger(value) && !Object.is(value, -0) ? { tag: "int", val: value } : { tag: "float", val: value };
}

/** A bound that may be left out. */
export function optionalScalar(value) {
    return value === undefined || value === null ? null : scalar(value);
}

/** A number as a floating-point one. */
export function real(value) {
    if (!isNumber(value)) throw new TypeError(`expected a number, found ${describe(value)}`);
    return value instanceof Float ? value.value : value;
}

/** `kind`, if it is one. */
export function checkedKind(kind) {
    return oneOf("the kind", KINDS, kind);
}

/** The kind of a tensor of this number. */
export function kindOf(value) {
    return value instanceof Float || !Number.isSafeInteger(value) ? "float32" : "int64";
}

/** `reduction`, if it is one. */
export function reductionOf(reduction) {
    return oneOf("the reduction", ["none", "mean", "sum"], reduction);
}

export function text(value) {
    if (typeof value !== "string") throw new TypeError(`expected a name, found ${describe(value)}`);
    return value;
}

/** One of `names`. */
export function oneOf(what, names, value) {
    if (!names.includes(value)) {
        throw new TypeError(`${what} is ${describe(value)}; expected one of ${names.join(", ")}`);
    }
    return value;
}

/** A value as a message names it. */
export function describe(value) {
    if (value === null || value === undefined) return String(value);
    if (typeof value === "object") return `an object of ${value.constructor?.name ?? "no class"}`;
    return typeof value === "string" ? JSON.stringify(value) : `a ${typeof value}`;
}
