"""Ends the run when the student is good enough: `{ "metric": "dev_accuracy", "enough": 0.9 }`."""

from brewer_sdk import config
from brewer_sdk.callback import callback, metric


@callback
def on_checkpoint(step):
    goal = {"metric": "dev_accuracy", "enough": 0.9, **config()}
    return metric(goal["metric"]) >= goal["enough"]
