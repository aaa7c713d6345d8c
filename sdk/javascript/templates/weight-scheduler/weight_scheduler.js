// A weight that falls from 1 to 0 in the course of the run.

import { defineWeightScheduler } from "brewer-sdk";

export const weightScheduler = defineWeightScheduler((progress) => 1 - progress);
