"""What surrounds the plugin: its configuration, the log, random numbers."""

import json

from wit_world.imports import host as contract


def config() -> dict:
    """The plugin's `config` in the experiment; `{}` if there is none."""
    return json.loads(contract.config())


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
    """64 random bits. They follow from the experiment's seed, the model, the task and the step."""
    return contract.random_u64()


def random() -> float:
    """A random number in 0..1, 1 excluded, from the same sequence."""
    return contract.random_uniform()
