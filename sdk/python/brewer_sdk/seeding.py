"""Random numbers of Python's own modules: they follow from the run's seed. Without this they would be those that were
drawn when the component was built, the same in every run."""

import os
import sys

from . import host


def begin() -> None:
    """A call begins: `random` is seeded anew, so that a call that is repeated draws the same numbers. `os.urandom`, from
    which `secrets`, `uuid` and `random.SystemRandom` draw, asks the host."""
    os.urandom = _urandom
    # Whatever is used was imported while the component was built: later there are no files.
    random = sys.modules.get("random")
    if random is not None:
        random._urandom = _urandom
        random.seed(host.random_u64())


def _urandom(size: int) -> bytes:
    words = (host.random_u64().to_bytes(8, "little") for _ in range(0, size, 8))
    return b"".join(words)[:size]
