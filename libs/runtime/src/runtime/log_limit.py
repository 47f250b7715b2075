"""A bound for the log: strangers can cause lines as fast as they can send, and as long ones."""

import logging
import time
from collections.abc import Callable, MutableMapping
from typing import Any, Final

from msgspec import Struct

LINES: Final = 100
"""How many lines one place in the code may log in SECONDS."""
SECONDS: Final = 60.0
CHARACTERS: Final = 500
"""The longest text in a line; of a longer one this is the beginning."""


class _Window(Struct):
    """The lines of one place since it began, by the clock."""

    begun: float
    lines: int = 0
    suppressed: int = 0


class LineLimit(logging.Filter):
    """Lets LINES of each place through; the next one in time says how many were suppressed.

    A place, not a text, since strangers choose texts; there are only so many places.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` is in seconds."""
        super().__init__()
        self._clock = clock
        self._windows: dict[tuple[str, int], _Window] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to log the record; one after suppressed ones has their number."""
        place, now = (record.pathname, record.lineno), self._clock()
        window = self._windows.setdefault(place, _Window(now))
        if now - window.begun >= SECONDS:
            record.suppressed = window.suppressed
            self._windows[place] = window = _Window(now)
        window.lines += 1
        if window.lines <= LINES:
            return True
        window.suppressed += 1
        return False


def bounded(
    _logger: object, _method: str, line: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Shorten the texts of a line, and add how many before it were suppressed, if any."""
    for name, value in line.items():
        if isinstance(value, str) and len(value) > CHARACTERS and name != "exception":
            line[name] = f"{value[:CHARACTERS]}…"
    if suppressed := getattr(line["_record"], "suppressed", 0):
        line["suppressed"] = suppressed
    return line
