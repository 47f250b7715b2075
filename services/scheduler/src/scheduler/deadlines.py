"""Every tick at its deadline: one task for each room that counts.

All replicas do the same for the same room. Whoever stored the room's last event appends at the
deadline; the others give it a little time and find the tick already there. That is politeness, to
spare the stream appends that it would refuse; that a tick is stored once is the append's own doing.
"""

import asyncio
from typing import Never

from prometheus_client import Gauge

from protocol import rules
from runtime.bus import Bus, BusError
from runtime.clock import now, now_ms
from runtime.logs import logger

from .appends import Conflict
from .history import History

log = logger(__name__)

GRACE_MS = 15
"""How long the others wait for the replica that stored the last event."""
LOOK_AGAIN_SECONDS = 1.0
"""The longest sleep: a wall clock that is set in between is noticed this soon."""
RETRY_SECONDS = 0.1

_counting = Gauge("tminus_rooms_counting", "Rooms with a run under way.")


class Deadlines:
    """The rooms that count, each with the task that waits for its next tick."""

    def __init__(self, bus: Bus, instance: str) -> None:
        self._bus = bus
        self._instance = instance
        self._changed: dict[str, asyncio.Event] = {}
        self._group: asyncio.TaskGroup | None = None
        self.history = History(bus, self._on_change)

    async def run(self) -> Never:
        """Hold the rooms' tasks; when one dies, so does this."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            while True:  # noqa: ASYNC110 the group is what is waited for
                await asyncio.sleep(3600)

    def _on_change(self, name: str) -> None:
        if name in self._changed:
            self._changed[name].set()
        elif self.history[name].is_counting and self._group is not None:
            self._changed[name] = asyncio.Event()
            self._group.create_task(self._count(name), name=f"count {name}")

    async def _count(self, name: str) -> None:
        """Append the room's ticks, each when it is due, until there is none."""
        changed, loop = self._changed[name], asyncio.get_running_loop()
        _counting.inc()
        try:
            while (due := rules.next_due(self.history[name])) is not None:
                changed.clear()
                room = self.history[name]
                is_ours = room.last is not None and room.last.by == self._instance
                wait_ms = due + (0 if is_ours else GRACE_MS) - now()
                if wait_ms > 0:
                    # The timer sets what a new event sets: cheaper than a time limit on the wait.
                    timer = loop.call_later(min(wait_ms / 1000, LOOK_AGAIN_SECONDS), changed.set)
                    try:
                        await changed.wait()
                    finally:
                        timer.cancel()
                    continue
                await self._append(name, room)
        finally:
            _counting.dec()
            del self._changed[name]

    async def _append(self, name: str, room: rules.Room) -> None:
        """Append the tick that is due; where that fails, learn what the stream holds."""
        tick = rules.decide(room, now_ms(), self._instance)
        if tick is None:
            return
        try:
            await self.history.append(tick, room)
        except Conflict:
            await self._refresh(name)
        except BusError as error:
            # Perhaps it was stored: what the stream holds decides, as soon as it can be read.
            log.warning(
                "a tick is not stored yet", room=name, tick=tick.remaining, reason=str(error)
            )
            await asyncio.sleep(RETRY_SECONDS)
            await self._refresh(name)

    async def _refresh(self, name: str) -> None:
        while True:
            try:
                return await self.history.refresh(name)
            except BusError:
                await asyncio.sleep(RETRY_SECONDS)
                await self._bus.connected()
