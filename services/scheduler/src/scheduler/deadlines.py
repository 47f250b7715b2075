"""Every tick at its deadline: one task for each room that counts.

All replicas do the same for the same room. Whoever stored the room's last event appends at the
deadline; the others give it a little time, and more where it has many at once, and find the tick
already there. That is politeness, to spare the stream appends that it would refuse; that a tick is
stored once is the append's own doing.
"""

import asyncio
from collections import Counter
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
GRACE_EACH_MS = 1
"""How much longer they wait for every other tick that it has to store at the same time."""
SAME_TIME_MS = 20
LOOK_AGAIN_SECONDS = 1.0
"""The longest sleep: a wall clock that is set in between is noticed this soon."""
RETRY_SECONDS = 0.1
NEWS_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1)
"""When to read again what an append that was refused did not know of: a replicated stream refuses
it for an entry that can't be read yet."""

_counting = Gauge("tminus_rooms_counting", "Rooms with a run under way.")


class Deadlines:
    """The rooms that count, each with the task that waits for its next tick."""

    def __init__(self, bus: Bus, instance: str) -> None:
        self._bus = bus
        self._instance = instance
        self._changed: dict[str, asyncio.Event] = {}
        self._at_once: Counter[tuple[str, int]] = Counter()
        """How many ticks each replica has to store in each slot of SAME_TIME_MS."""
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
            counting = self._count(name)
            try:
                self._group.create_task(counting, name=f"count {name}")
            except RuntimeError:
                # The group is ending. The event is stored all the same, so its caller is told so.
                counting.close()
                del self._changed[name]

    async def _count(self, name: str) -> None:
        """Append the room's ticks, each when it is due, until there is none."""
        changed = self._changed[name]
        _counting.inc()
        try:
            while (due := rules.next_due(room := self.history[name])) is not None:
                owner = room.last.by if room.last is not None else ""
                slot = owner, due // SAME_TIME_MS
                self._at_once[slot] += 1
                try:
                    while self.history[name] is room and (wait_ms := self._wait_ms(slot, due)) > 0:
                        await _changed_or_over(changed, wait_ms)
                finally:
                    self._at_once[slot] -= 1
                    if not self._at_once[slot]:
                        del self._at_once[slot]
                if self.history[name] is room:
                    await self._append(name, room)
        finally:
            _counting.dec()
            del self._changed[name]

    def _wait_ms(self, slot: tuple[str, int], due: int) -> float:
        """How long to wait yet for the tick that is due, of the replica and time in `slot`."""
        if slot[0] == self._instance:
            return due - now()
        return due + GRACE_MS + (self._at_once[slot] - 1) * GRACE_EACH_MS - now()

    async def _append(self, name: str, room: rules.Room) -> None:
        """Append the tick that is due; where that fails, learn what the stream holds."""
        tick = rules.decide(room, now_ms(), self._instance)
        if tick is None:
            return
        try:
            await self.history.append(tick, room)
        except Conflict:
            await self._catch_up(name, room)
        except BusError as error:
            # Perhaps it was stored: what the stream holds decides, as soon as it can be read.
            log.warning(
                "a tick is not stored yet", room=name, tick=tick.remaining, reason=str(error)
            )
            await asyncio.sleep(RETRY_SECONDS)
            await self._refresh(name)

    async def _catch_up(self, name: str, room: rules.Room) -> None:
        """Read what an append behind `room` did not know of."""
        for pause in NEWS_SECONDS:
            await self._refresh(name)
            if self.history[name] is not room:
                return
            await asyncio.sleep(pause)
        log.warning("an append is refused, and the stream holds nothing new", room=name)

    async def _refresh(self, name: str) -> None:
        while True:
            try:
                await self.history.refresh(name)
            except BusError:
                await asyncio.sleep(RETRY_SECONDS)
                await self._bus.connected()
            else:
                return


async def _changed_or_over(changed: asyncio.Event, wait_ms: float) -> None:
    """Wait until the room has changed, or the time is over; a second at most."""
    changed.clear()
    # The timer sets what a new event sets: cheaper than a time limit on the wait.
    timer = asyncio.get_running_loop().call_later(
        min(wait_ms / 1000, LOOK_AGAIN_SECONDS), changed.set
    )
    try:
        await changed.wait()
    finally:
        timer.cancel()
