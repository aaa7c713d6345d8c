// The surer the teacher is of an example, the higher its temperature.

import type { Tensor } from "brewer-sdk";
import { defineTemperatureScheduler } from "brewer-sdk/temperature";

function choose(_student: Tensor, teacher: Tensor, base: number) {
    return teacher.softmax(-1).max(-1).mul(base);
}

export const temperatureScheduler = defineTemperatureScheduler(choose);
