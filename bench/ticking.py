"""Runs in many rooms, stored without a scheduler: what there was before, and a tick a second."""

import asyncio
import time
from collections.abc import Sequence

from nats.aio.client import Client

from protocol import events, subjects
from protocol.events import Started, Tick

ACK_EVERY = 1000


async def fill(client: Client, rooms: Sequence[str], *, ticks: int) -> None:
    """Store a run in each room: its start and so many ticks."""
    stream = client.jetstream()
    stored = 0
    for number in range(-1, ticks):
        for room in rooms:
            event = _tick(room, ticks, number) if number >= 0 else _started(room, ticks)
            stored += 1
            if stored % ACK_EVERY and (number, room) != (ticks - 1, rooms[-1]):
                await client.publish(subjects.events(room), events.encode(event))
            else:  # the server drops what it can't store in time, so wait for it now and then
                await stream.publish(subjects.events(room), events.encode(event), timeout=30)


class Ticking:
    """Ticks once a second in every room, evenly spread over the second."""

    def __init__(self, client: Client, rooms: Sequence[str]) -> None:
        self._client = client
        self._rooms = rooms
        self._rounds = 0

    async def run(self, seconds: int) -> None:
        """Tick for so many seconds."""
        began = time.monotonic()
        for index in range(len(self._rooms) * seconds):
            await until(began + index / len(self._rooms))
            number, place = divmod(index, len(self._rooms))
            await self.tick(self._rooms[place], self._rounds + number)
        self._rounds += seconds
        await until(began + seconds)
        await self._client.flush()

    async def tick(self, room: str, number: int) -> None:
        """One tick in one room; its numbers rise."""
        event = _tick(room, 80_000, number)
        await self._client.publish(subjects.events(room), events.encode(event))


def _started(room: str, from_: int) -> Started:
    return Started(
        room=room,
        run=f"run-from-{from_}",
        from_=from_,
        interval_ms=1000,
        starts_at=_now_ms() - 1000,
        by="bench",
    )


def _tick(room: str, from_: int, number: int) -> Tick:
    return Tick(
        room=room,
        run=f"run-from-{from_}",
        from_=from_,
        interval_ms=1000,
        starts_at=_now_ms() - 1000,
        by="bench",
        remaining=from_ - number,
        due_at=_now_ms(),
        emitted=_now_ms(),
    )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


async def until(at: float) -> None:
    """Wait until the monotonic clock says so."""
    if (seconds := at - time.monotonic()) > 0:
        await asyncio.sleep(seconds)
