"""What the tests ask of a plugin in Python; `do` in its configuration says what."""

import json
import random
import secrets
import sys
import uuid

import brewer_sdk
from brewer_sdk import adaptor, arange, cat, config, full, functional as F, ones, stack, tensor, zeros
from brewer_sdk import TensorList, bfloat16, float64, int64


@adaptor
class Guest:
    def __init__(self):
        self.calls = 0
        self.deed, _, self.twice = config()["do"].partition(" ")

    def __call__(self, batch, outputs, context):
        self.calls += 1
        if self.twice and self.calls > 2:
            return {"logits": outputs["logits"]}
        return getattr(self, self.deed.replace("-", "_"))(batch, outputs, context)

    def fail(self, batch, outputs, context):
        first = outputs["hidden_states"][0] * 2
        for layer in outputs["hidden_states"]:
            first = first + layer
        return refuse(first, context.step)

    def refused(self, batch, outputs, context):
        return outputs["logits"] + zeros(17)

    def unknown_key(self, batch, outputs, context):
        return {"logit": outputs["logits"]}

    def nothing(self, batch, outputs, context):
        return None

    def recurse(self, batch, outputs, context):
        return self.recurse(batch, outputs, context)

    def exit(self, batch, outputs, context):
        sys.exit(3)

    def overflow(self, batch, outputs, context):
        return outputs["logits"].select(0, 1 << 63)

    def count(self, batch, outputs, context):
        if self.calls % 10 == 0:
            states = list(outputs["hidden_states"])
            raise ValueError(f"call {self.calls} of this instance, with {len(states)} states")
        loss = full((), float(self.calls))
        return {"logits": outputs["logits"].softmax(-1), "losses": loss, "hidden": outputs["hidden_states"][1:]}

    def describe(self, batch, outputs, context):
        told = {
            "answer": config()["answer"],
            "is_student": context.is_student,
            "teacher": context.teacher,
            "task": context.task,
            "step": context.step,
            "batch": batch.keys(),
            "outputs": list(outputs),
            "has": ["labels" in batch, "x" in outputs],
            "layers": len(outputs["hidden_states"]),
            "random": brewer_sdk.random(),
            "bits": brewer_sdk.random_u64(),
            "own": [random.random(), random.SystemRandom().random(), str(uuid.uuid4()), secrets.token_hex(3)],
        }
        brewer_sdk.debug("for those who ask")
        brewer_sdk.info(json.dumps(told))
        brewer_sdk.warn("careful")
        brewer_sdk.error("alas")
        print("printed", end="")
        return {"logits": outputs.logits}

    def operations(self, batch, outputs, context):
        x, y, w, index, pick, mask = (batch[name] for name in ("x", "y", "w", "index", "pick", "mask"))
        probabilities, logs = y.softmax(-1), x.log_softmax(-1)
        three = TensorList.of([x, x + 1, x + 2])
        arithmetic = [
            x + y, x - y, x * y, x / y, 1 + x, x - 0.5, 2 * index, index * 0.5, index / 2, x**2,
            x.clamp(-0.5, 0.5), x.clamp(min=0), -x, abs(x), x.exp(), y.log(), y.sqrt(), x.tanh(), x.sigmoid(),
            x.relu(), x.gelu(), x.maximum(y), x.minimum(y),
        ]  # fmt: skip
        logic = [
            x == y, x != y, x < y, x <= y, x > y, x >= y,
            index == 1, index != 1, index < 1, index <= 1, index > 1, index >= 1,
            mask & (x > 0), mask | (x > 0), ~mask, x.where(mask, y),
        ]  # fmt: skip
        reductions = [
            x.sum(), index.sum(), x.sum(1), x.sum((0, 1), keepdim=True), x.mean(), x.mean(0),
            x.logsumexp(-1, keepdim=True), x.amax(1), x.amin(-1, keepdim=True), x.norm(1, dim=1), mask.any(0),
            mask.all(1), x.argmax(1), x.softmax(-1), logs, x @ w,
        ]  # fmt: skip
        selections = [x.gather(1, index), x.index_select(1, pick), x.masked_fill(mask, -1), x[mask]]
        views = [
            x.detach(), x.long(), x[:, -1], x[..., 1:], x.reshape(3, -1), x.permute(1, 0), x.transpose(0, -1),
            x[:, None], x.unsqueeze(1).squeeze(1), x.unsqueeze(0).expand(4, -1, -1), x.flatten(),
            cat([x, w.transpose(0, 1)], 1), stack([x, x]), three[1:].cat(),
        ]  # fmt: skip
        rest = [
            zeros(2, dtype=int64), ones(2, 1, dtype=bfloat16), full([2], 1.5, dtype=float64), arange(0, 6, 2),
            F.cross_entropy(x, pick, ignore_index=2), F.mse_loss(x, y, reduction="none"),
            F.kl_div(logs, probabilities, reduction="sum"), F.kl_div(logs, y.log_softmax(-1), log_target=True),
            F.binary_cross_entropy_with_logits(x, probabilities, reduction="sum"), F.cosine_similarity(x, y),
            tensor(x.tolist()).reshape(x.shape), tensor(index.read(2, 4)), tensor(mask.tolist()).reshape(2, 3),
            tensor(x.shape),
        ]  # fmt: skip
        return {"losses": arithmetic + logic + reductions + selections + views + rest}


def refuse(tensor, step):
    raise ValueError(f"no logits for step {step}")
