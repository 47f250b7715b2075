"""The spans of what a room's viewers are sent, and of when pages say that they show it.

Made only while tracing is on.
"""

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from protocol.events import Event, Tick
from protocol.frames import Ping

from .prepared import PreparedFrame

if TYPE_CHECKING:
    from opentelemetry.trace import SpanContext

    from bus.tracing import Tracing

MAX_ENTRIES = 256
"""The latest entries of which the spans are known."""
MAX_SHOWN = 10
"""How many pages may report that they show the same tick: anybody may report anything."""


class _Sent:
    """An entry that was delivered within the span `cause`."""

    __slots__ = ("came_ns", "cause", "number", "shown")

    def __init__(self, cause: "SpanContext", number: int | None) -> None:
        self.cause = cause
        self.number = number
        self.came_ns = time.time_ns()
        self.shown = 0


class RoomTraces:
    """The entries of one room that somebody looks at."""

    def __init__(self, tracing: "Tracing", room: str) -> None:
        self._tracing = tracing
        self._room = room
        self._sent: dict[int, _Sent] = {}
        """By sequence, the oldest first."""

    def add(self, seq: int, event: Event | None) -> None:
        """An entry is being delivered, within its span if it has one."""
        cause = self._tracing.current()
        if cause is not None:
            self._sent[seq] = _Sent(cause, event.remaining if isinstance(event, Tick) else None)
            if len(self._sent) > MAX_ENTRIES:
                del self._sent[next(iter(self._sent))]

    def writing(self, batch: Sequence[PreparedFrame], viewers: int) -> AbstractContextManager[None]:
        """The span of writing these frames to so many viewers."""
        found = [self._sent.get(frame.seq) for frame in batch if frame.seq is not None]
        causes = [sent.cause for sent in found if sent is not None]
        about: dict[str, str | int] = {"tminus.room": self._room, "tminus.viewers": viewers}
        return self._tracing.handling("fan out", causes, about)

    def on_ping(self, ping: Ping) -> None:
        """A page may say in its ping that it shows a number, and since when.

        That is a span from the delivery of the latest such tick until then, or until now if the
        page says that it is later.
        """
        if ping.shown is None:
            return
        for sent in reversed(self._sent.values()):
            if sent.number == ping.shown.number:
                break
        else:
            return
        sent.shown += 1
        if sent.shown > MAX_SHOWN:
            return
        at_ns = min(time.time_ns(), max(sent.came_ns, int(ping.shown.at * 1e6)))
        about: dict[str, str | int | float] = {"tminus.room": self._room}
        about["tminus.remaining"] = ping.shown.number
        if ping.error_ms is not None:
            about["tminus.error_ms"] = ping.error_ms
        self._tracing.past("shown", sent.cause, sent.came_ns, at_ns, about)
