// The role of a temperature scheduler, a module of its own because no other role may make temperatures.

import * as contract from "brewer:plugin/loss-inputs@0.1.0";

import { ask } from "./errors.js";
import { checked, guarded } from "./guard.js";
import { Tensor } from "./tensor.js";

/** Makes a function the plugin's: `export const temperatureScheduler = defineTemperatureScheduler(choose)`. */
export function defineTemperatureScheduler(choose) {
    checked("a temperature scheduler", choose);
    const temperature = (chosen) =>
        typeof chosen === "number"
            ? new contract.Temperature(chosen)
            : ask(() => contract.Temperature.perExample(Tensor.handle(chosen)));
    return {
        choose: (student, teacher, base) =>
            guarded(() => temperature(choose(new Tensor(student), new Tensor(teacher), base))),
    };
}
