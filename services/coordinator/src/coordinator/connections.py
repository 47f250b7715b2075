"""All viewers, whatever their room: heartbeats, slow consumers, and shutdown."""

import asyncio
from collections import Counter as Count
from contextlib import suppress
from typing import Never

from aiohttp import web
from prometheus_client import Counter, Gauge

from protocol.frames import Bye
from runtime.metrics import from_zero

from .io_uring import Ring
from .prepared import PreparedFrame
from .viewer import CLOSING_SECONDS, Viewer
from .websocket import GOING_AWAY, TRY_AGAIN_LATER

LOOK_SECONDS = 4
"""Each viewer is looked at once in so many seconds, a quarter of them each second."""
HEARTBEAT_LOOKS = 5
"""A viewer that was silent at so many looks, for 20 seconds at most, gets a heartbeat; one that was
so at twice as many, 20 seconds after a heartbeat that it left unanswered, is dead."""
LAG_SECONDS = 10.0

_lagging = Gauge("tminus_viewers_lagging", "Viewers whose buffers are full.")
_ended = from_zero(
    Counter("tminus_viewers_ended_total", "Connections that the coordinator ended.", ["reason"]),
    *("slow", "dead"),
)


class Connections:
    """All viewers of this coordinator."""

    def __init__(self, ring: Ring | None) -> None:
        self.loop = asyncio.get_running_loop()
        self.ring = ring
        """Sends to many viewers at once, if there is one."""
        self.count = 0
        self.by_address: Count[str] = Count()
        """How many viewers each address has: one of several rooms counts once for each."""
        self.lagging: set[Viewer] = set()
        self.is_closing = False
        """Whether the coordinator stops: nobody may join any more."""
        self._slots: list[set[Viewer]] = [set() for _ in range(LOOK_SECONDS)]
        self._now = 0
        self._empty = asyncio.Event()

    def add(self, viewer: Viewer) -> None:
        """Count a viewer in, before it joins its room."""
        self.count += 1
        self.by_address[viewer.address] += viewer.room.places
        turn, viewer.slot = divmod(self.count, LOOK_SECONDS)
        viewer.silent_looks = turn % HEARTBEAT_LOOKS  # who joins together is not pinged together
        self._slots[viewer.slot].add(viewer)
        self._empty.clear()

    def remove(self, viewer: Viewer) -> None:
        """Count a viewer out, once it has left its room."""
        self.count -= 1
        self.by_address[viewer.address] -= viewer.room.places
        if not self.by_address[viewer.address]:
            del self.by_address[viewer.address]
        self._slots[viewer.slot].discard(viewer)
        self.lagging.discard(viewer)
        if not self.count:
            self._empty.set()

    async def sweep(self) -> Never:
        """Once a second: send heartbeats to the silent, and end those that are slow or dead.

        Raises an error of the ring, so that the service ends and its viewers reconnect.
        """
        while True:
            await asyncio.sleep(1)
            if self.ring is not None:
                self.ring.check()
            self._look()

    def _look(self) -> None:
        self._now = (self._now + 1) % LOOK_SECONDS
        for viewer in list(self._slots[self._now]):
            self._look_at(viewer)
        slow_since = self.loop.time() - LAG_SECONDS
        for viewer in list(self.lagging):
            if viewer.lagging_since < slow_since and not viewer.is_closing:
                _ended.labels("slow").inc()
                viewer.close(TRY_AGAIN_LATER, "too slow: try again later")
        _lagging.set(len(self.lagging))

    def _look_at(self, viewer: Viewer) -> None:
        if viewer.transport is None or viewer.is_closing or viewer.lagging_since:
            return
        viewer.silent_looks += 1
        if viewer.silent_looks == HEARTBEAT_LOOKS:
            viewer.send_heartbeat()
        elif viewer.silent_looks == 2 * HEARTBEAT_LOOKS:
            _ended.labels("dead").inc()
            viewer.transport.abort()

    async def close(self) -> None:
        """Shut down.

        1. Send every viewer `bye`: reconnect after a random part of a window, wide enough for the
           other coordinators to serve all of them in time.
        2. Close every connection, and wait until the viewers have closed theirs.
        3. Abort the connections that are left.
        """
        self.is_closing = True
        if not self.count:
            return
        window_ms = 500 + self.count // 2
        bye = PreparedFrame.of(Bye(reason="shutting down", reconnect_ms=window_ms))
        viewers = [viewer for slot in self._slots for viewer in slot]
        for viewer in viewers:
            if viewer.transport is not None and not viewer.is_closing:
                viewer.write(viewer.encoding.encode([bye]))
                viewer.close(GOING_AWAY, "shutting down")
        with suppress(TimeoutError):
            await asyncio.wait_for(self._empty.wait(), CLOSING_SECONDS)
        for viewer in viewers:
            if viewer.transport is not None:
                viewer.transport.abort()


CONNECTIONS = web.AppKey("connections", Connections)
