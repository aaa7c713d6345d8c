"""What surrounds the plugin: its configuration, the step, the log, random numbers."""

import json
from typing import NamedTuple

from wit_world.imports import host as contract


def config() -> dict:
    """The plugin's `config` in the experiment; `{}` if there is none."""
    return json.loads(contract.config())


class Step(NamedTuple):
    """The point of a run at which a call is made."""

    step: int
    """The forward step, counted from 0."""
    global_step: int
    """The optimizer steps that are done."""
    epoch: int
    """The epoch, counted from 0."""
    progress: float
    """The share of the run's optimizer steps that are done, in 0..1."""
    task: str | None
    """The task's name where the experiment has several."""
    is_student: bool
    """Whether the call is about the student alone."""
    teacher: int | None
    """The index of the teacher that the call is about, 0 when there is one. None for the student, and in a role that is
    called for student and teacher together."""


def step() -> Step:
    """The point of the run at which the call is made, in every role."""
    now = contract.step()
    teacher = getattr(now.side, "value", None)
    is_student = now.side is not None and teacher is None
    return Step(now.step, now.global_step, now.epoch, now.progress, now.task, is_student, teacher)


def debug(message) -> None:
    """Writes a message to the run's log, where it is shown on request only."""
    contract.log(contract.Level.DEBUG, str(message))


def info(message) -> None:
    """Writes a message to the run's log."""
    contract.log(contract.Level.INFO, str(message))


def warn(message) -> None:
    """Writes a warning to the run's log."""
    contract.log(contract.Level.WARN, str(message))


def error(message) -> None:
    """Writes an error to the run's log; the run goes on. Raise an exception to end it."""
    contract.log(contract.Level.ERROR, str(message))


def random_u64() -> int:
    """64 random bits. They follow from the experiment's seed, the model, the task and the step. Two instances of one role,
    as two KD losses are, draw the same numbers at a step."""
    return contract.random_u64()


def random() -> float:
    """A random number in 0..1, 1 excluded, from the same sequence."""
    return contract.random_uniform()
