// The surer the teacher is of an example, the higher its temperature.

import { defineTemperatureScheduler } from "brewer-sdk/temperature";

function choose(_student, teacher, base) {
    return teacher.softmax(-1).max(-1).mul(base);
}

export const temperatureScheduler = defineTemperatureScheduler(choose);
