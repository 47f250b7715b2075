"""Every tick at its deadline: one task for each room with a run under way.

All replicas do the same for the same room: they sleep to the same absolute deadline and append the
same tick. One append is stored; the others are refused, or find the tick stored and skip theirs.
"""

import asyncio
from typing import Never

from prometheus_client import Gauge

from bus.connection import Bus
from bus.errors import BusError
from protocol import rules
from protocol.rules import Countdown
from runtime.clock import now_ms, whole_now_ms
from runtime.logs import logger

from .appender import Conflict
from .event_store import EventStore
from .grace import Grace

log = logger(__name__)

LOOK_AGAIN_SECONDS = 1.0
"""The longest sleep, so that a change of the wall clock is noticed."""
RETRY_SECONDS = 0.1
NEWS_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1)
"""Delays before reading again what a refused append did not know of: a replicated stream may refuse
it because of an entry that can't be read yet."""

_counting = Gauge("tminus_rooms_counting", "Rooms with a run under way.")


class Deadlines:
    """The rooms with a run under way, each with the task that waits for its next tick."""

    def __init__(self, bus: Bus, store: EventStore, instance: str) -> None:
        self._bus = bus
        self._store = store
        self._instance = instance
        self._grace = Grace(instance)
        self._changed: dict[str, asyncio.Event] = {}
        self._group: asyncio.TaskGroup | None = None
        store.on_change = self._on_change

    async def run(self) -> Never:
        """Own the rooms' tasks; if one fails, this fails."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                await asyncio.Event().wait()
            finally:
                self._group = None
        raise AssertionError("an event that nobody sets was set")

    def _on_change(self, room: str) -> None:
        if room in self._changed:
            self._changed[room].set()
        elif self._store[room].is_counting and self._group is not None:
            self._changed[room] = asyncio.Event()
            self._group.create_task(self._count(room), name=f"count {room}")

    async def _count(self, room: str) -> None:
        """Append the room's ticks: while there is a next one, wait for it and append it."""
        _counting.inc()
        try:
            while (due := rules.next_due(countdown := self._store[room])) is not None:
                await self._wait(room, countdown, due)
                if self._store[room] is countdown:
                    await self._append(room, countdown)
        finally:
            _counting.dec()
            del self._changed[room]

    async def _wait(self, room: str, countdown: Countdown, due: int) -> None:
        """Wait until it is this replica's turn to append the tick, or something has happened."""
        with self._grace.waiting(countdown, due) as turn:
            while self._store[room] is countdown and (wait_ms := turn.wait_ms(now_ms())) > 0:
                await _changed_or_over(self._changed[room], wait_ms)

    async def _append(self, room: str, countdown: Countdown) -> None:
        """Append the tick that is due; if that fails, read what the stream holds."""
        tick = rules.decide(countdown, whole_now_ms(), self._instance)
        if tick is None:
            return
        try:
            await self._store.append(tick, countdown)
        except Conflict:
            await self._catch_up(room, countdown)
        except BusError as error:
            # It may have been stored: the stream shows that as soon as it can be read.
            log.warning(
                "a tick is not stored yet", room=room, tick=tick.remaining, reason=str(error)
            )
            await asyncio.sleep(RETRY_SECONDS)
            await self._refresh(room)

    async def _catch_up(self, room: str, countdown: Countdown) -> None:
        """Read what the append after `countdown` did not know of."""
        for pause in NEWS_SECONDS:
            await self._refresh(room)
            if self._store[room] is not countdown:
                return
            await asyncio.sleep(pause)
        log.warning("an append is refused, and the stream holds nothing new", room=room)

    async def _refresh(self, room: str) -> None:
        while True:
            try:
                await self._store.refresh(room)
            except BusError:
                await asyncio.sleep(RETRY_SECONDS)
                await self._bus.connected()
            else:
                return


async def _changed_or_over(changed: asyncio.Event, wait_ms: float) -> None:
    """Wait until the room has changed or the time is over; at most a second."""
    changed.clear()
    # The timer sets the same event as a change: cheaper than a timeout on the wait.
    timer = asyncio.get_running_loop().call_later(
        min(wait_ms / 1000, LOOK_AGAIN_SECONDS), changed.set
    )
    try:
        await changed.wait()
    finally:
        timer.cancel()
