"""A weight that falls from 1 to 0 in the course of the run."""

from brewer_sdk import weight_scheduler


@weight_scheduler
def weight(progress):
    return 1 - progress
