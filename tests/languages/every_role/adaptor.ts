// Every role in one component: what it does, the ones in other languages do as well.

import {
    type Batch,
    type Context,
    type EditableBatch,
    type KdInputs,
    type MatchInputs,
    type Outputs,
    type Tensor,
    config,
    defineAdaptor,
    defineBatchPostprocessor,
    defineKdLoss,
    defineMatchLoss,
    defineState,
    defineWeightScheduler,
    step,
} from "brewer-sdk";
import {
    batches,
    defineCallback,
    forward,
    metric,
    metricNames,
    parameterNames,
    parameterShape,
    parameterStatistics,
    report,
    splits,
} from "brewer-sdk/callback";
import { defineTemperatureScheduler } from "brewer-sdk/temperature";

export const adaptor = defineAdaptor((_: Batch, outputs: Outputs, _context: Context) => ({
    logits: outputs.tensor("logits"),
}));

export const batchPostprocessor = defineBatchPostprocessor((batch: EditableBatch) => {
    batch.set("next_ids", batch.tensor("input_ids").add(1));
    batch.delete("token_type_ids");
});

export const kdLoss = defineKdLoss(({ student, teacher, temperature, labels }: KdInputs) => {
    let rows = temperature.soften(student).sub(temperature.soften(teacher)).pow(2).mean(-1);
    if (labels) {
        const counts = labels.ne(-100).to("float32");
        rows = rows.mul(counts).div(counts.mean());
    }
    return rows.mean().mul(temperature.values.to("float32")).mul(temperature.value ?? 0);
});

function match({ student, teacher, mask }: MatchInputs) {
    const layers = student.map((layer, position) => {
        const squares = layer.sub(teacher[position]).pow(2).mean(-1);
        if (!mask) return squares.mean();
        const counts = mask.to("float32");
        return squares.mul(counts).div(counts.mean()).mean();
    });
    return layers.reduce((total, layer) => total.add(layer));
}

export const matchLoss = defineMatchLoss(match, { numLayers: 2 });

function choose(_student: Tensor, teacher: Tensor, base: number) {
    return base > 5 ? base / 2 : teacher.softmax(-1).max(-1).mul(base);
}

export const temperatureScheduler = defineTemperatureScheduler(choose);

let [calls, mean] = [0, 0];

/** The square of the progress, and the running mean of what it was in the calls before. */
function weight(progress: number): number {
    const now = step();
    if (now.step !== 3 || now.globalStep !== 3 || now.progress !== progress || now.isStudent || now.teacher !== undefined) {
        throw new Error(JSON.stringify(now));
    }
    const chosen = progress ** 2 + mean;
    calls += 1;
    mean += (progress - mean) / calls;
    return chosen;
}

export const weightScheduler = defineWeightScheduler(weight);

export const state = defineState(
    // Of no call there is nothing to remember.
    () => {
        if (config().save === "a number") return calls as unknown as Uint8Array;
        return new Uint8Array(calls ? Float64Array.of(calls, mean).buffer : 0);
    },
    (bytes) => {
        [calls, mean] = bytes.length ? new Float64Array(bytes.buffer) : [0, 0];
    },
);

function onCheckpoint(step: number) {
    report("numbers", metricNames().length);
    report("splits", splits().length);
    let [rows, logits] = [0, 0];
    for (const batch of batches("dev")) {
        rows += batch.tensor("input_ids").shape[0];
        logits += Number(forward(batch, ["logits"]).tensor("logits").mean().item());
    }
    report("rows", rows);
    report("logits", logits);
    for (const batch of batches("train")) {
        report("trained", Number(forward(batch, ["logits", "loss"], { train: true }).tensor("loss").item()));
    }
    report("parameters", parameterNames().length);
    report("rank", parameterShape("w").length);
    report("norm", parameterStatistics("w").norm);
    report("at_step", step);
    return metric("dev_accuracy") > 0.9;
}

export const callback = defineCallback(onCheckpoint);
