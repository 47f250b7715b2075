"""Rooms of which the stream holds less than was told: purged by an operator, or grown too old.

Schedulers go on with a run whose events were removed, and are given the time to say so. If none
does, what the stream holds is the truth, and the room's viewers are told.
"""

import asyncio
from contextlib import suppress
from typing import Never

from bus import removals
from bus.connection import Bus
from bus.errors import BusError
from bus.feed import Feed
from runtime.logs import logger

from .hub import Hub

log = logger(__name__)

LOOKS = 3
"""How often in a row a room must lack something before its viewers are told."""


class Reconciler:
    """Compares what was told of the watched rooms with what the stream holds."""

    def __init__(self, bus: Bus, hub: Hub, feed: Feed) -> None:
        self._bus = bus
        self._hub = hub
        self._feed = feed
        self._seen: object = None
        self._suspects: dict[str, int] = {}
        """Rooms that may lack something, and how often they were found to."""

    async def run(self) -> Never:
        """Look whether entries have been removed, for ever."""
        while True:
            await asyncio.sleep(removals.LOOK_SECONDS)
            with suppress(BusError):
                await self._look()

    async def _look(self) -> None:
        state = await removals.state(self._bus)
        if state != self._seen:
            self._suspects |= dict.fromkeys(self._hub.rooms, 0)
            self._seen = state
        rooms = {
            name: room.history.countdown.seq
            for name in self._suspects
            if (room := self._hub.rooms.get(name)) is not None and room.opened.is_set()
        }
        missing = set(await removals.missing(self._bus, rooms))
        self._suspects = {
            name: looks + 1 for name, looks in self._suspects.items() if name in missing
        }
        for name in [name for name, looks in self._suspects.items() if looks >= LOOKS]:
            log.warning("a room's history was removed: telling its viewers", room=name)
            self._feed.reopen(name)
            del self._suspects[name]
