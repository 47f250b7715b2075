"""Pending frames for all viewers of a room: many frames, as few writes as possible."""

import asyncio
from collections.abc import Callable

from .prepared import PreparedFrame

GATHER_SECONDS = 0.01
"""A frame that is followed by another at once waits this long for it: two writes become one."""
DEFERRED_SECONDS = 1.0
"""The least time between two deferred frames."""
DEFERRED_VIEWERS_A_SECOND = 1000
"""In a large room deferred frames are sent alone at most at this rate of viewers."""


class Outbox:
    """Gathers the frames of one turn of the event loop, and passes them to `write` together."""

    __slots__ = ("_deferred", "_deferred_at", "_is_scheduled", "_loop", "_pending", "_write")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, write: Callable[[list[PreparedFrame]], None]
    ) -> None:
        self._loop = loop
        self._write = write
        self._pending: list[PreparedFrame] = []
        self._is_scheduled = False
        self._deferred: PreparedFrame | None = None
        self._deferred_at = 0.0

    def send(self, frame: PreparedFrame, is_first_of_two: bool = False) -> None:
        """Write a frame at the end of this turn.

        The first of two that belong together waits up to GATHER_SECONDS for the second.
        """
        self._pending.append(frame)
        if is_first_of_two:
            self._loop.call_later(GATHER_SECONDS, self.flush)
        elif not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Write the pending frames now."""
        self._is_scheduled = False
        batch, self._pending = self._pending, []
        if batch and self._deferred is not None and self._since_deferred() >= DEFERRED_SECONDS:
            batch.append(self._take_deferred(self._deferred))
        self._write(batch)

    def clear(self) -> None:
        """Drop the pending frames: they belong to a stream that was recreated."""
        self._pending.clear()

    def detach(self) -> None:
        """Write nothing any more: what it writes to can be freed at once, not by a collection."""
        self.clear()
        self._write = _write_nothing

    @property
    def has_deferred(self) -> bool:
        """Whether a frame waits to be piggybacked on another."""
        return self._deferred is not None

    def defer(self, frame: PreparedFrame) -> None:
        """Piggyback a frame on the next one that can't wait; it replaces one already deferred.

        With another frame it costs nothing. Alone it would keep the loop busy for as long as a
        tick does, a tenth of a second for ten thousand viewers, and delay a tick.
        """
        self._deferred = frame

    def send_deferred(self, viewers: int) -> None:
        """Send the deferred frame alone, to so many `viewers`, unless it is too early."""
        seconds = max(DEFERRED_SECONDS, viewers / DEFERRED_VIEWERS_A_SECOND)
        if self._deferred is not None and self._since_deferred() >= seconds:
            self.send(self._take_deferred(self._deferred))

    def _take_deferred(self, frame: PreparedFrame) -> PreparedFrame:
        self._deferred, self._deferred_at = None, self._loop.time()
        return frame

    def _since_deferred(self) -> float:
        return self._loop.time() - self._deferred_at


def _write_nothing(_batch: list[PreparedFrame]) -> None:
    """The `write` of an outbox that was detached."""
