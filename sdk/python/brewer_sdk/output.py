"""`print`: a component has no standard output, so lines go to the run's log."""

import io
import sys

from . import host


class _Lines(io.TextIOBase):
    """Writes whole lines to the log."""

    def __init__(self, log):
        self._log = log
        self._open = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *lines, self._open = (self._open + text).split("\n")
        for line in lines:
            self._log(line)
        return len(text)

    def end(self) -> None:
        """Writes a line that was not ended."""
        if self._open:
            self.write("\n")


_STDOUT = _Lines(host.info)
_STDERR = _Lines(host.warn)


def redirect() -> None:
    """Sends what is printed to the log from here on."""
    sys.stdout, sys.stderr = _STDOUT, _STDERR


def end() -> None:
    """The call is over: what was printed without a line break is logged too."""
    _STDOUT.end()
    _STDERR.end()
