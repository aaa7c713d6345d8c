// The squared distance of the softened logits of both sides.

import { type KdInputs, defineKdLoss } from "brewer-sdk";

function loss({ student, teacher, temperature }: KdInputs) {
    return temperature.soften(student).sub(temperature.soften(teacher)).pow(2).mean();
}

export const kdLoss = defineKdLoss(loss);
