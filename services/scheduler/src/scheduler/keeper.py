"""Runs outlive their events: a run's last event is stored again if it was removed.

A run that waits for its first tick, or long for its next, or is held, is known by one event. That
can be purged, deleted, too old, or pushed out by newer entries. The schedulers that know the run go
on with it in any case; the event is stored again so that schedulers that start later know it, too.
"""

import math
from contextlib import suppress
from typing import Never

from bus.connection import Bus
from bus.errors import BusError
from bus.removals import Removals
from protocol import rules
from runtime.clock import now_ms
from runtime.logs import logger

from .appender import Conflict
from .event_store import EventStore

log = logger(__name__)

AHEAD_MS = 1000
"""A run whose next tick is due sooner is known again by that tick."""


class Keeper:
    """Stores the removed last events of runs under way again."""

    def __init__(self, bus: Bus, store: EventStore) -> None:
        self._removals = Removals(bus)
        self._store = store
        self._seen: object = None

    async def run(self) -> Never:
        """Check whether entries have been removed, for ever."""
        while True:
            state = await self._removals.next_state()
            with suppress(BusError):
                if state != self._seen:
                    await self._look()
                    self._seen = state

    async def _look(self) -> None:
        soon = now_ms() + AHEAD_MS
        rooms = {
            name: self._store[name].seq
            for name in self._store
            if self._store[name].is_under_way
            and (rules.next_due(self._store[name]) or math.inf) > soon
        }
        for name in await self._removals.missing(rooms):
            await self._store_again(name)

    async def _store_again(self, name: str) -> None:
        room = self._store[name]
        await self._store.refresh(name)
        left = self._store[name]
        if left.last is None or left.last is not room.last or left.seq >= room.seq:
            return  # something has happened in the room meanwhile
        with suppress(Conflict):  # another scheduler was quicker
            await self._store.append(left.last, left)
            log.warning("a run's last event was removed; stored it again", room=name)
