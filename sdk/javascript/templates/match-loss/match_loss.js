// The squared distance of two layers, of the positions that are no padding.

import { defineMatchLoss } from "brewer-sdk";

function loss({ student, teacher, mask }) {
    const squares = student[0].sub(teacher[0]).pow(2).mean(-1);
    if (mask === undefined) return squares.mean();
    const counted = mask.to("float32");
    return squares.mul(counted).sum().div(counted.sum());
}

export const matchLoss = defineMatchLoss(loss);
