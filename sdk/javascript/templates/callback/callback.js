// Ends the run when the student is good enough: `{ "metric": "dev_accuracy", "enough": 0.9 }`.

import { config } from "brewer-sdk";
import { defineCallback, metric } from "brewer-sdk/callback";

function onCheckpoint() {
    const { metric: name = "dev_accuracy", enough = 0.9 } = config();
    return metric(name) >= enough;
}

export const callback = defineCallback(onCheckpoint);
