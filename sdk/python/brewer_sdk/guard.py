"""What surrounds a call of a role: exceptions become errors of the contract, and what was printed is logged."""

import sys

from componentize_py_types import Err

from . import output, seeding, traces


def export(role, name: str, **methods):
    """Puts a class into the module of `role` under the name that componentize-py looks for."""
    setattr(sys.modules[role.__module__], name, type(name, (), methods))
    output.redirect()
    traces.remember_sources()
    return role


def guarded(run):
    """What `run` returns. An exception that left the plugin would be a trap."""
    failure = None
    try:
        seeding.begin()
        return run()
    except BaseException as error:  # SystemExit as well: there is nothing to exit from.
        failure = traces.describe(error)
        traces.forget(error)
    finally:
        output.end()
    raise Err(failure)
