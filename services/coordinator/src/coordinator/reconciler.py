"""Rooms of which the stream holds less than was told: purged by an operator, or grown too old.

Schedulers go on with a run whose events were removed, and are given the time to say so. Where none
does, what the stream holds is the truth, and the room's viewers are told.
"""

import asyncio
from contextlib import suppress
from typing import Never

import nats.js.errors

from bus import removals
from bus.connection import Bus
from bus.errors import BusError, bus_errors
from bus.stream import Entry
from protocol import subjects
from runtime.logs import logger

from .hub import Hub

log = logger(__name__)

LOOKS = 3
"""How often in a row a room is found to be short of something before its viewers are told."""


class Reconciler:
    """Compares what was told of rooms with what the stream holds."""

    def __init__(self, bus: Bus, hub: Hub) -> None:
        self._bus = bus
        self._hub = hub
        self._seen: object = None
        self._suspects: dict[str, int] = {}
        """Rooms that may be short of something, and how often they were found to be."""

    async def run(self) -> Never:
        """Look whether entries have been removed, for ever."""
        while True:
            await asyncio.sleep(removals.LOOK_SECONDS)
            if not self._hub.situation.is_beginning:
                with suppress(BusError):
                    await self._look()

    async def _look(self) -> None:
        state = await removals.state(self._bus)
        if state != self._seen:
            self._suspects |= dict.fromkeys(self._hub.at_stake(), 0)
            self._seen = state
        rooms = {name: self._hub.last_event(name) for name in self._suspects}
        missing = set(await removals.missing(self._bus, rooms))
        self._suspects = {
            name: looks + 1 for name, looks in self._suspects.items() if name in missing
        }
        for name in [name for name, looks in self._suspects.items() if looks >= LOOKS]:
            await self._reset(name)
            del self._suspects[name]

    async def _reset(self, name: str) -> None:
        known = self._hub.last_event(name)
        entry = None
        with bus_errors("the stream"), suppress(nats.js.errors.NotFoundError):
            found = await self._bus.jetstream.get_last_msg(subjects.STREAM, subjects.events(name))
            entry = Entry(found.seq or 0, subjects.events(name), found.data or b"", 0)
        if known == self._hub.last_event(name) and (entry is None or entry.seq < known):
            log.warning("a room's history was removed: telling its viewers", room=name)
            self._hub.reset(name, entry)
