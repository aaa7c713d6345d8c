import type { Batch, Outputs } from "./index.js";

/** Makes a function the plugin's callback: `export const callback = …`. It takes the number of optimizer steps done; if it
 * returns true the run ends there, as if it had finished. */
export function defineCallback(onCheckpoint: (step: number) => boolean | void): { onCheckpoint(step: unknown): unknown };

/** The names of the data that there is: `train`, `dev`. Needs the permission `dataset`. */
export function splits(): string[];
/** The batches of a split, one after the other. Needs the permission `dataset`. */
export function batches(split: string): Iterable<Batch>;
/** Runs the student on a batch, without gradients; `wanted` names the outputs to compute. With `train` dropout is active. */
export function forward(batch: Batch, wanted: readonly string[], options?: { train?: boolean }): Outputs;

/** The names of the student's parameters, as in the checkpoint. Needs the permission `parameters`, like the next two. */
export function parameterNames(): string[];
export function parameterShape(name: string): number[];
export function parameterStatistics(name: string): {
    mean: number;
    std: number;
    norm: number;
    min: number;
    max: number;
    count: number | bigint;
};

/** The names of the numbers that were reported at this checkpoint. */
export function metricNames(): string[];
/** A number that was reported at this checkpoint, such as `dev_loss`. */
export function metric(name: string): number;
/** Reports a number: it lands in `metrics.jsonl` and on the progress line. */
export function report(name: string, value: number): void;
