"""Ten minutes of viewers that come and go, with one run after the other in twenty rooms."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from random import Random
from statistics import median

import nats.errors

from auditor.history import Event
from support.process import AsyncProcess

from .. import history
from ..countdowns import ask, new_rooms
from ..outcome import Outcome
from ..scenario import Scenario, Trial
from ..stack import Stack
from ..viewers import Viewer

ROOMS = 20
SAMPLE_SECONDS = 2.0
SERVICE_GROWTH_MB, NATS_GROWTH_MB = 8.0, 48.0
"""How much a process may grow from its second minute to its last: NATS fills its files'
buffers until the stream has a thousand entries of each room."""


async def come_and_go(trial: Trial) -> None:
    stack, outcome = trial.stack, trial.outcome
    seconds, minute = trial.either(600.0, 5.0), trial.either(60.0, 1.0)
    rooms = new_rooms(trial, ROOMS)
    processes = {"nats": stack.nats} | {
        name: service.process for name, service in stack.services.items()
    }
    files = {name: process.files() for name, process in processes.items()}
    memory: dict[str, list[tuple[float, float]]] = defaultdict(list)
    viewers = _viewers(stack, rooms, trial.either(500, 60), trial.random)
    async with history.following(stack) as events:
        ending = time.monotonic() + seconds
        async with asyncio.TaskGroup() as group:
            group.create_task(_sample(processes, memory, ending))
            runs = [group.create_task(_runs(stack, room, ending)) for room in rooms]
            for viewer in viewers:
                group.create_task(_visit(viewer, ending, Random(trial.random.random())))
        names = [name for run in runs for name in run.result()]
        await _until_quiet(events)
        outcome.check_stream(events, names)
        _check_visits(outcome, events, viewers)
    await asyncio.sleep(1.0)  # for the sockets that were just closed
    for name, samples in memory.items():
        begun = samples[0][0]
        early = [mb for at, mb in samples if minute <= at - begun < 2 * minute]
        late = [mb for at, mb in samples if at - begun >= seconds - minute]
        growth = median(late) - median(early)
        outcome.worst(f"growth of {name} from minute 2 to the last, MB", growth)
        limit = NATS_GROWTH_MB if name == "nats" else SERVICE_GROWTH_MB
        outcome.require(growth < limit, f"{name} grew by {growth:.1f} MB")
        left = processes[name].files() - files[name]
        outcome.worst(f"open files of {name} more than before", left)
        outcome.require(left <= 8, f"{name} holds {left} files more than before")
    outcome.worst("visits", sum(len(viewer.hellos) for viewer in viewers))
    outcome.worst("ticks that viewers got", sum(len(viewer.ticks) for viewer in viewers))
    outcome.check_services(stack)


def _viewers(stack: Stack, rooms: Sequence[str], count: int, random: Random) -> list[Viewer]:
    addresses = stack.addresses
    return [
        Viewer(
            stack.http,
            addresses[number % 2 :] + addresses[: number % 2],
            rooms[number % len(rooms)],
            Random(random.random()),
        )
        for number in range(count)
    ]


async def _runs(stack: Stack, room: str, ending: float) -> list[str]:
    """One run after the other, the last one over before the end; gives their names."""
    names = []
    while time.monotonic() < ending - 3.0:
        reply = await ask(stack, "scheduler.start", room=room, interval_ms=200)
        if reply.code == 200:
            names.append(str(reply.body["run"]))
        await asyncio.sleep(2.0 if reply.code == 200 else 0.05)
    await asyncio.sleep(max(0.0, ending - time.monotonic()))
    return names


async def _visit(viewer: Viewer, ending: float, random: Random) -> None:
    """Stay a while, leave, return and resume."""
    while (left := ending - time.monotonic()) > 0:
        with suppress(TimeoutError):
            async with asyncio.timeout(min(left, random.uniform(1.0, 40.0))):
                await viewer.watch()
        await asyncio.sleep(random.uniform(0.0, 3.0))


async def _sample(
    processes: dict[str, AsyncProcess], memory: dict[str, list[tuple[float, float]]], ending: float
) -> None:
    while (now := time.monotonic()) < ending:
        for name, process in processes.items():
            memory[name].append((now, process.memory_mb()))
        await asyncio.sleep(min(SAMPLE_SECONDS, max(0.1, (ending - now) / 20)))


async def _until_quiet(events: Sequence[Event]) -> None:
    """Wait until no more events arrive."""
    count = -1
    with suppress(nats.errors.Error):
        while count != len(events):
            count = len(events)
            await asyncio.sleep(1.0)


def _check_visits(outcome: Outcome, events: Sequence[Event], viewers: Sequence[Viewer]) -> None:
    """Every viewer has all ticks between the first and the last that it saw."""
    ticks: dict[str, list[int]] = defaultdict(list)
    for event in events:
        if event.type == "tick":
            ticks[event.room].append(event.seq)
    for viewer in viewers:
        seen = [tick.seq for tick in viewer.ticks]
        if seen:
            owed = {seq for seq in ticks[viewer.room] if seen[0] <= seq <= seen[-1]}
            outcome.lost += len(owed - set(seen))
            outcome.duplicated += len(seen) - len(set(seen))
        outcome.require(not viewer.order_faults, "frames out of order at a viewer")


SCENARIO = Scenario(
    "soak",
    "10 minutes: 500 viewers that come and go, runs back to back in 20 rooms",
    "nothing lost; no growth of memory or open files after the first minute",
    come_and_go,
    rounds=1,
    late_limit_ms=100,
    is_on_request=True,
    remark="Runs have 200 ms between ticks: a hundred ticks a second in all rooms together.",
)
