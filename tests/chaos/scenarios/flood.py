"""Far more messages than anyone can read, while a countdown runs in the same room."""

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress

from support.process import AsyncProcess

from ..countdowns import Fault, Plan, disturb, new_rooms, now
from ..scenario import Scenario, Trial
from ..stack import Stack

MESSAGES_A_SECOND = 10_000
PAYLOAD = b"y" * 4096
PART_SECONDS = 0.01
GROWTH_MB = 256.0
"""The most that any process may grow."""


async def flooded(trial: Trial) -> None:
    stack, outcome = trial.stack, trial.outcome
    rooms = new_rooms(trial, 4)
    processes = {"nats": stack.nats} | {
        name: service.process for name, service in stack.services.items()
    }
    before = {name: process.memory_mb() for name, process in processes.items()}

    async def flood() -> Fault:
        at = now()
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(_watch_memory(trial, processes, before))
            seconds = trial.either(10.0, 1.0)
            sent = await _publish(stack, rooms[0], seconds)
            outcome.least("messages sent a second", sent / seconds)
            watching.cancel()
        return Fault(at, now())

    stored = await _stored(stack)
    plan = Plan(interval_ms=trial.either(1100, 250))
    await disturb(trial, plan, flood, within=0.05, rooms=rooms)
    outcome.least("messages stored", await _stored(stack) - stored)
    outcome.worst("a tick late at a viewer, ms", outcome.last_seen_late_ms)
    late = outcome.late_ms or 0.0
    outcome.require(late < 3000, f"a tick waited {late:.0f} ms behind the flood")
    for name, figure in outcome.figures.items():
        if name.startswith("growth"):
            outcome.require(figure < GROWTH_MB, f"{name}: {figure:.0f}")


async def _publish(stack: Stack, room: str, seconds: float) -> int:
    """Publish at the set rate, or as fast as the server permits; gives the number of messages."""
    reader, writer = await asyncio.open_connection("127.0.0.1", stack.bus_port)
    await reader.readline()
    writer.write(b'CONNECT {"verbose":false,"pedantic":false}\r\n')
    message = f"PUB countdown.{room}.message {len(PAYLOAD)}\r\n".encode() + PAYLOAD + b"\r\n"
    part = message * int(MESSAGES_A_SECOND * PART_SECONDS)
    begun, parts = time.monotonic(), 0
    while (passed := time.monotonic() - begun) < seconds:
        while parts * PART_SECONDS < passed:
            writer.write(part)
            parts += 1
            await writer.drain()
            if time.monotonic() - begun > seconds:
                break
        await asyncio.sleep(PART_SECONDS / 2)
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return parts * int(MESSAGES_A_SECOND * PART_SECONDS)


async def _watch_memory(
    trial: Trial, processes: Mapping[str, AsyncProcess], before: Mapping[str, float]
) -> None:
    while True:
        for name, process in processes.items():
            trial.outcome.worst(f"growth of {name}, MB", process.memory_mb() - before[name])
        await asyncio.sleep(0.1)


async def _stored(stack: Stack) -> int:
    """The last sequence of the stream."""
    async with stack.client("operator") as client:
        return (await client.jetstream().stream_info("COUNTDOWN")).state.last_seq


SCENARIOS = [
    Scenario(
        "flood",
        "10,000 messages a second of 4 KiB into a room for 10 s",
        "no tick lost or more than 100 ms late; memory bounded",
        flooded,
        rounds=1,
        late_limit_ms=100,
        remark="The schedulers store one message after another, 320 a second each, and the rest is "
        "dropped. A publisher that requests an acknowledgement is told that nobody is there, "
        "others do not notice. Of the stored messages a room shows 1 MiB at once and then 256 KiB "
        "a second, the same ones at every coordinator.",
    )
]
