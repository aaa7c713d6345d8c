"""An exception as text for the person who runs the experiment: what happened, and the plugin's own lines."""

import os
import sys

_SDK = os.path.dirname(__file__)
_SHOWN = 12

_sources: dict = {}
"""Lines by file name. They are read while the component is built: later there are no files."""


def remember_sources() -> None:
    """Reads the source of every module that is neither Python's nor the SDK's."""
    library = os.path.dirname(os.__file__)
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if not isinstance(file, str) or file in _sources or file.startswith((library, _SDK)):
            continue
        try:
            with open(file, encoding="utf-8") as source:
                _sources[file] = source.read().splitlines()
        except (OSError, UnicodeDecodeError):
            continue


def describe(error: BaseException) -> str:
    """`ValueError: no labels`, and below it the plugin's lines, innermost first."""
    message = _say(error)
    frames = _frames(error)
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        message += f" (after {_say(cause)})"
    if frames:
        message += "\n  in the plugin, innermost first:" + "".join(f"\n    {frame}" for frame in frames)
    return message


def forget(error: BaseException | None) -> None:
    """Lets go of the frames of an exception and of those before it: they hold tensors."""
    while error is not None:
        trace = error.__traceback__
        while trace is not None:
            try:
                trace.tb_frame.clear()
            except RuntimeError:
                pass  # It is still running.
            trace = trace.tb_next
        before = error.__context__
        error.__traceback__ = error.__cause__ = error.__context__ = None
        error = before


def _say(error):
    text = str(error)
    name = type(error).__name__
    return f"{name}: {text}" if text else name


def _frames(error):
    """The frames outside of the SDK; of a deep recursion the innermost ones."""
    frames = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if not code.co_filename.startswith(_SDK):
            frames.append((code.co_filename, trace.tb_lineno, code.co_qualname))
        trace = trace.tb_next
    return [_frame(*frame) for frame in reversed(frames[-_SHOWN:])]


def _frame(file, number, function):
    lines = _sources.get(file, ())
    source = lines[number - 1].strip() if 0 < number <= len(lines) else ""
    place = f"{os.path.basename(file)}:{number}, in {function}"
    return f"{place}: {source}" if source else place
