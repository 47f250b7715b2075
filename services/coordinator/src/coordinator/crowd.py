"""Everyone who is connected, whatever the room: heartbeats, who lags, and the end."""

import asyncio
from contextlib import suppress
from typing import Never

from prometheus_client import Counter, Gauge

from protocol.frames import Bye

from .io_uring import Ring
from .viewer import GOING_AWAY, TRY_AGAIN_LATER, Viewer
from .wire import Wire

HEARTBEAT_TURNS = 20
"""Every viewer is asked whether it lives once in so many turns; a turn is a second."""
LAG_SECONDS = 10.0
CLOSING_SECONDS = 2.0
"""How long a viewer has to end the connection that we have closed."""

_lagging = Gauge("tminus_viewers_lagging", "Viewers whose buffers are full.")
_ended = Counter("tminus_viewers_ended_total", "Connections that the coordinator ended.", ["why"])


class Crowd:
    """All viewers of this coordinator."""

    def __init__(self, ring: Ring | None) -> None:
        self.loop = asyncio.get_running_loop()
        self.ring = ring
        """What is sent to many goes through it, where there is one."""
        self.count = 0
        self.lagging: set[Viewer] = set()
        self._ending: dict[Viewer, float] = {}
        self._turns: list[set[Viewer]] = [set() for _ in range(HEARTBEAT_TURNS)]
        self._turn = 0
        self._empty = asyncio.Event()

    def welcome(self, viewer: Viewer) -> None:
        """Count a viewer in, before it joins its room."""
        self.count += 1
        viewer.turn = self.count % HEARTBEAT_TURNS
        self._turns[viewer.turn].add(viewer)
        self._empty.clear()

    def forget(self, viewer: Viewer) -> None:
        """Count a viewer out, once it has left its room."""
        self.count -= 1
        self._turns[viewer.turn].discard(viewer)
        self.lagging.discard(viewer)
        self._ending.pop(viewer, None)
        if not self.count:
            self._empty.set()

    def end_soon(self, viewer: Viewer) -> None:
        """See to it that a viewer whose connection we have closed is gone before long."""
        self._ending[viewer] = self.loop.time() + CLOSING_SECONDS

    async def sweep(self) -> Never:
        """Once a second: ask a part of the viewers whether they live, end who lags or is dead.

        Raises what went wrong with the ring, so that the service ends and its viewers come back.
        """
        while True:
            await asyncio.sleep(1)
            if self.ring is not None:
                self.ring.check()
            now = self.loop.time()
            self._turn = (self._turn + 1) % HEARTBEAT_TURNS
            for viewer in list(self._turns[self._turn]):
                self._ask(viewer)
            for viewer in list(self.lagging):
                if now - viewer.lagging_since > LAG_SECONDS and not viewer.is_closing:
                    _ended.labels("slow").inc()
                    viewer.close(TRY_AGAIN_LATER, "too slow: try again later")
            for viewer, deadline in list(self._ending.items()):
                if now > deadline and viewer.transport is not None:
                    viewer.transport.abort()
            _lagging.set(len(self.lagging))

    def _ask(self, viewer: Viewer) -> None:
        if viewer.transport is None or viewer.is_closing or viewer.lagging_since:
            return
        if not viewer.is_heard:
            _ended.labels("dead").inc()
            viewer.transport.abort()
            return
        viewer.ask()

    async def end(self) -> None:
        """Tell every viewer to come back a little later, close, and wait until they are gone."""
        if not self.count:
            return
        # So wide that those who come back, each at a random instant of it, can be served in time.
        window_ms = 500 + self.count // 2
        bye = Wire(Bye(reason="shutting down", reconnect_ms=window_ms))
        for viewers in self._turns:
            for viewer in list(viewers):
                if viewer.transport is not None and not viewer.is_closing:
                    viewer.write(viewer.encode([bye]))
                    viewer.close(GOING_AWAY, "shutting down")
        with suppress(TimeoutError):
            await asyncio.wait_for(self._empty.wait(), CLOSING_SECONDS)
        for viewers in self._turns:
            for viewer in list(viewers):
                if viewer.transport is not None:
                    viewer.transport.abort()
