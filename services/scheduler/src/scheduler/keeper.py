"""Runs outlive their events: a run's last event is stored again if it was removed, or will be.

A run that waits for its first tick, or long for its next, or is held, is known by one event. That
can be purged, deleted, or pushed out by newer entries. The schedulers that know the run go on with
it in any case; the event is stored again so that schedulers that start later know it, too.

And the stream keeps nothing for ever. So an event that has grown half as old as it can is stored
again before it goes: schedulers may all be away for nearly as long as the other half.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Never

from bus.connection import Bus
from bus.errors import BusError
from bus.removals import Kept, Removals
from protocol import rules
from protocol.events import Event
from protocol.rules import Countdown
from runtime.clock import now_ms
from runtime.logs import logger

from .appender import Conflict
from .event_store import EventStore
from .logged import trace_of

log = logger(__name__)

AHEAD_MS = 1000
"""A run whose next tick is due sooner is known again by that tick."""
REST = 9
"""After a look that took a while, so many times as long passes until the next: entries may be
removed all the time, by age, and 20,000 runs that wait take half a second to look at."""
OLD = 0.5
"""The part of the longest age at which an event is stored again."""
OLD_LOOK = 0.001
"""The part of the longest age after which the events' age is looked at again: every ten minutes if
they are kept for seven days."""


class Keeper:
    """Stores the last events of runs under way again: the removed ones, and the old ones."""

    def __init__(self, bus: Bus, store: EventStore) -> None:
        self._removals = Removals(bus)
        self._store = store
        self._seen: Kept | None = None
        self._looks_at = self._looks_at_age_at = 0.0
        """By the loop's clock: when next for what was removed, and for what has grown old."""

    async def run(self, ready: Callable[[], Awaitable[None]]) -> Never:
        """Look for what was removed, or has grown old, whenever `ready` returns; for ever.

        That is while the stream is followed. After a lost connection it may be as it was at a
        backup: what it does not hold then was not removed, and its follower is about to say so.
        """
        while True:
            kept = await self._removals.next_state()
            await ready()
            with suppress(BusError):
                if kept is not None:
                    await self._look(kept)

    async def _look(self, kept: Kept) -> None:
        time = asyncio.get_running_loop().time
        now = time()
        if kept != self._seen and now >= self._looks_at:
            missing = await self._removals.missing(self._waiting())
            self._looks_at = time() + REST * (time() - now)
            for name in missing:
                await self._restore(name)
            self._seen = kept
        if kept.max_age_seconds and now >= self._looks_at_age_at:
            await self._renew(now_ms() - kept.max_age_seconds * 1000 * OLD)
            self._looks_at_age_at = now + kept.max_age_seconds * OLD_LOOK

    def _waiting(self) -> dict[str, int]:
        """The rooms with a run under way of which nothing is due soon, each with its sequence."""
        soon = now_ms() + AHEAD_MS
        return {
            name: self._store.last_seq(name)
            for name in self._store
            if self._store[name].is_under_way
            and (rules.next_due(self._store[name]) or math.inf) > soon
        }

    async def _restore(self, name: str) -> None:
        """Store an event again that was removed."""
        room = self._store[name]
        await self._store.refresh(name)
        left = self._store[name]
        is_there = left.seq >= self._store.last_seq(name)
        if left.last is None or left.last is not room.last or is_there:
            return  # something has happened in the room meanwhile
        if await self._store_again(left.last, left):
            log.warning(
                "a run's last event was removed; stored it again",
                room=name,
                run=left.last.run,
                **trace_of(left.last),
            )

    async def _renew(self, before: float) -> None:
        """Store those events again that were stored before then, in ms since the Unix epoch."""
        rooms, count = self._waiting(), 0
        for name in await self._removals.stored_before(before, rooms):
            room = self._store[name]
            if room.last is not None and room.seq == rooms[name] == self._store.last_seq(name):
                count += await self._store_again(room.last, room)
        if count:
            log.info("stored old events of runs under way again", count=count)

    async def _store_again(self, event: Event, expected: Countdown) -> bool:
        """Whether it was stored: another scheduler may have been quicker."""
        try:
            await self._store.append(event, expected)
        except Conflict:
            return False
        return True
