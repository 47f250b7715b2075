"""Rooms of which the stream holds less than was sent: purged, too old, or not in a backup.

Schedulers continue a run whose events were removed, and get the time to store its next event. If
none does, the stream is right, and the room's viewers get its state.
"""

from contextlib import suppress
from typing import Never

from bus.connection import Bus
from bus.errors import BusError
from bus.feed import Feed
from bus.removals import Removals
from runtime.logs import logger

from .hub import Hub

log = logger(__name__)

LOOKS = 3
"""In how many checks in a row a room must lack entries before it is read again."""


class Reconciler:
    """Compares what was sent of the watched rooms with what the stream holds."""

    def __init__(self, bus: Bus, hub: Hub, feed: Feed) -> None:
        self._removals = Removals(bus)
        self._hub = hub
        self._feed = feed
        self._seen: object = None
        self._suspects: dict[str, int] = {}
        """Rooms that may lack entries, and in how many checks they did."""
        bus.on_disconnect.append(self._suspect_all)

    async def run(self) -> Never:
        """Check whether entries have been removed, for ever."""
        while True:
            state = await self._removals.next_state()
            with suppress(BusError):
                await self._look(state)

    def _suspect_all(self) -> None:
        """The server may come back with its files as they were at a backup: that shows in nothing
        but the rooms."""
        self._seen = None

    async def _look(self, state: object) -> None:
        if state != self._seen:
            self._suspects |= dict.fromkeys(self._hub.rooms, 0)
            self._seen = state
        if not self._suspects:
            return
        rooms = {
            name: room.history.countdown.seq
            for name in self._suspects
            if (room := self._hub.rooms.get(name)) is not None and room.opened.is_set()
        }
        missing = set(await self._removals.missing(rooms))
        self._suspects = {
            name: looks + 1 for name, looks in self._suspects.items() if name in missing
        }
        for name in [name for name, looks in self._suspects.items() if looks >= LOOKS]:
            if await self._removals.is_missing(name, rooms[name]):
                log.warning("a room's history was removed, reading it again", room=name)
                self._feed.reopen(name)
            del self._suspects[name]
