"""Viewers that never read, beside viewers that do."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from statistics import quantiles

from ..countdowns import LEAD_MS, new_rooms, now, settled, start
from ..raw_websocket import read_close_code, shake_hands
from ..scenario import Scenario, Trial
from ..stack import Service, Stack, running
from ..viewers import Viewer, until, watching

SILENT = 20
MESSAGE = b"x" * 4000
FILLING_MESSAGES = 120
GROWTH_MB = 64.0
"""The most that a coordinator may grow."""


async def never_read(trial: Trial) -> None:
    """Fill the buffers of the viewers that do not read, then count until they are closed."""
    stack, outcome = trial.stack, trial.outcome
    [coordinator] = stack.coordinators
    [room] = new_rooms(trial)
    async with watching(stack, [room], trial.either(200, 40), trial.random) as viewers:
        before = await _count(stack, room, viewers, first=trial.either(15, 3))
        memory, ended = coordinator.process.memory_mb(), await _closed_for_slowness(stack)
        async with _silent_sockets(coordinator, room) as sockets:
            async with stack.client() as client:
                for _ in range(FILLING_MESSAGES):
                    await client.publish(f"countdown.{room}.message", MESSAGE)
                    await asyncio.sleep(trial.either(2.0, 1.0) / FILLING_MESSAGES)
            counting = asyncio.create_task(_count(stack, room, viewers, first=55))
            closing = ended
            while closing < ended + SILENT and not counting.done():
                await asyncio.sleep(0.1)
                closing = await _closed_for_slowness(stack)
            outcome.require(closing == ended + SILENT, f"{closing - ended:.0f} of 20 were closed")
            # Half of them begin to read now, and find the close frame.
            codes = await asyncio.gather(*map(read_close_code, sockets[: SILENT // 2]))
            outcome.require(set(codes) == {1013}, f"they were closed with {set(codes)}")
            during = await counting
            outcome.worst("growth of the coordinator, MB", coordinator.process.memory_mb() - memory)
        names = [before, during]
        events = await settled(stack, names)
        outcome.check_stream(events, names)
        outcome.check_viewers(events, names, viewers)
        outcome.worst("a reader's tick late at p99 without them, ms", _p99_late(viewers, before))
        outcome.worst("a reader's tick late at p99 with them, ms", _p99_late(viewers, during))
        growth = outcome.figures["growth of the coordinator, MB"]
        outcome.require(growth < GROWTH_MB, f"the coordinator grew by {growth:.0f} MB")
        outcome.require(not any(viewer.drops for viewer in viewers), "a reader was closed")
    outcome.check_services(stack)


async def _count(stack: Stack, room: str, viewers: list[Viewer], first: int) -> str:
    terms = {"from": first, "interval_ms": 200, "starts_at": int(now()) + LEAD_MS}
    name = await start(stack, room, **terms)
    await until(lambda: all(name in viewer.finished for viewer in viewers), first * 0.2 + 10)
    return name


def _p99_late(viewers: list[Viewer], run: str) -> float:
    late = [tick.at - tick.due for viewer in viewers for tick in viewer.ticks if tick.run == run]
    return quantiles(late, n=100)[-1]


async def _closed_for_slowness(stack: Stack) -> float:
    return await stack.metric(stack.coordinators[0], 'tminus_viewers_ended_total{reason="slow"}')


@asynccontextmanager
async def _silent_sockets(coordinator: Service, room: str) -> AsyncIterator[list[socket.socket]]:
    """Viewers that shake hands and then never read."""
    sockets = [await shake_hands(coordinator, room) for _ in range(SILENT)]
    try:
        yield sockets
    finally:
        for connection in sockets:
            connection.close()


SCENARIOS = [
    Scenario(
        "never-read",
        "20 viewers that never read, 200 that do",
        "the 200 lose nothing and see no delay; memory bounded; the 20 are closed with 1013",
        never_read,
        rounds=2,
        setup=partial(running, coordinators=1),
        late_limit_ms=100,
    )
]
