"""Errors: what the host refuses becomes an exception."""

from componentize_py_types import Err


class TensorError(Exception):
    """The host did not do what it was asked: a code, and a message that says what was found and what was expected.

    The codes are those of the contract: `bad-dimension`, `bad-shape`, `bad-kind`, `bad-argument`, `not-found`,
    `not-computed`, `not-permitted`, `over-limit`, `released`, `failed`. Let `not-computed` pass: the host then computes
    the output and calls again.
    """

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code = code


def ask(function, *arguments):
    """Calls a function of the host; what it refuses is raised as a `TensorError`."""
    try:
        return function(*arguments)
    except Err as refused:
        code = refused.value.code.name.lower().replace("_", "-")
        error = TensorError(code, refused.value.message)
    # Outside of `except`, so that it does not keep the host's exception and the frames that it holds alive.
    raise error
