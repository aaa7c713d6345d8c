// The squared distance of the softened logits of both sides.

import { defineKdLoss } from "brewer-sdk";

function loss({ student, teacher, temperature }) {
    return temperature.soften(student).sub(temperature.soften(teacher)).pow(2).mean();
}

export const kdLoss = defineKdLoss(loss);
