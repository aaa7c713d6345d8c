// What the tests ask of a plugin in TypeScript; `do` in its configuration says what.

import { type Batch, type Context, type Features, type Outputs, type Tensor } from "brewer-sdk";
import {
    TensorList,
    arange,
    cat,
    config,
    defineAdaptor,
    float,
    full,
    log,
    losses,
    ones,
    random,
    stack,
    tensor,
    zeros,
} from "brewer-sdk";

import { refuse } from "./refuse.ts";

let calls = 0;

function fail(batch: Batch, outputs: Outputs, context: Context): Features {
    const states = outputs.list("hidden_states");
    let sum: Tensor = states.at(0).mul(2);
    for (const state of states) sum = sum.add(state);
    return refuse(sum, context.step);
}

function refused(batch: Batch, outputs: Outputs): Features {
    return { logits: outputs.tensor("logits").add(zeros([17])) };
}

function recurse(batch: Batch, outputs: Outputs): Features {
    return { ...recurse(batch, outputs) };
}

function count(batch: Batch, outputs: Outputs): Features {
    const states = outputs.list("hidden_states");
    if (calls % 10 === 0) {
        const read = [...states];
        throw new Error(`call ${calls} of this instance, with ${read.length} states`);
    }
    return { logits: outputs.tensor("logits").softmax(-1), losses: full([], float(calls)), hidden: states.slice(1) };
}

function describe(batch: Batch, outputs: Outputs, context: Context): Features {
    const told = {
        answer: config().answer,
        is_student: context.isStudent,
        teacher: context.teacher ?? null,
        task: context.task ?? null,
        step: context.step,
        batch: batch.names(),
        outputs: outputs.names(),
        has: [batch.has("labels"), outputs.has("x")],
        layers: outputs.list("hidden_states").length,
        random: random(),
        own: Math.random(),
    };
    log.debug("for those who ask");
    console.log(told);
    log.warn("careful");
    console.error("alas");
    log.info("printed");
    return { logits: outputs.tensor("logits") };
}

function operations(batch: Batch): Features {
    const [x, y, w, index, pick, mask] = ["x", "y", "w", "index", "pick", "mask"].map((name) => batch.tensor(name));
    const [probabilities, logs] = [y.softmax(-1), x.logSoftmax(-1)];
    const sum: "sum" = "sum";
    const arithmetic = [
        x.add(y), x.sub(y), x.mul(y), x.div(y), x.add(1), x.sub(0.5), index.mul(2), index.mul(0.5), index.div(2),
        x.pow(2), x.clamp(-0.5, 0.5), x.clamp(0), x.neg(), x.abs(), x.exp(), y.log(), y.sqrt(), x.tanh(), x.sigmoid(),
        x.relu(), x.gelu(), x.maximum(y), x.minimum(y),
    ];
    const logic = [
        x.eq(y), x.ne(y), x.lt(y), x.le(y), x.gt(y), x.ge(y),
        index.eq(1), index.ne(1), index.lt(1), index.le(1), index.gt(1), index.ge(1),
        mask.logicalAnd(x.gt(0)), mask.logicalOr(x.gt(0)), mask.logicalNot(), x.where(mask, y),
    ];
    const reductions = [
        x.sum(), index.sum(), x.sum(1), x.sum([0, 1], true), x.mean(), x.mean(0),
        x.logsumexp(-1, true), x.max(1), x.min(-1, true), x.norm(1, 1), mask.any(0), mask.all(1), x.argmax(1),
        x.softmax(-1), logs, x.matmul(w),
    ];
    const selections = [x.gather(1, index), x.indexSelect(1, pick), x.maskedFill(mask, -1), x.maskedSelect(mask)];
    const views = [
        x.detach(), x.to("int64"), x.select(1, -1), x.narrow(1, 1, 2), x.reshape([3, -1]), x.permute([1, 0]),
        x.transpose(0, -1), x.unsqueeze(1), x.unsqueeze(1).squeeze(1), x.unsqueeze(0).expand([4, -1, -1]), x.flatten(),
        cat([x, w.transpose(0, 1)], 1), stack([x, x.share()]), TensorList.of([x, x.add(1), x.add(2)]).slice(1).cat(),
    ];
    const rest = [
        zeros([2], "int64"), ones([2, 1], "bfloat16"), full([2], 1.5, "float64"), arange(0, 6, 2),
        losses.crossEntropy(x, pick, { ignoreIndex: 2 }), losses.meanSquaredError(x, y, { reduction: "none" }),
        losses.klDivergence(logs, probabilities, { reduction: sum }),
        losses.klDivergence(logs, y.logSoftmax(-1), { logTarget: true }),
        losses.binaryCrossEntropyWithLogits(x, probabilities, { reduction: sum }), losses.cosineSimilarity(x, y),
        tensor(x.toArray() as number[]).reshape(x.shape), tensor(index.read(2, 4) as number[], "int64"),
        tensor(mask.toArray() as boolean[]).reshape([2, 3]), tensor(x.shape, "int64"),
    ];
    return { losses: [arithmetic, logic, reductions, selections, views, rest].flat() };
}

const DEEDS: Record<string, (batch: Batch, outputs: Outputs, context: Context) => any> = {
    fail,
    refused,
    recurse,
    count,
    describe,
    operations,
    "unknown-key": (_, outputs) => ({ logit: outputs.tensor("logits") }),
    nothing: () => undefined,
    overflow: (_, outputs) => ({ logits: outputs.tensor("logits").select(0, 1.5) }),
};

export const adaptor = defineAdaptor((batch, outputs, context) => {
    calls += 1;
    const [deed, twice] = config().do.split(" ");
    if (twice && calls > 2) return { logits: outputs.tensor("logits") };
    return DEEDS[deed]!(batch, outputs, context);
});
