"""What a coordinator costs that follows the watched rooms alone, beside one that followed them all.

Both are measured in the same way on a nats-server of their own or, in turn, on the same one.
"""

import asyncio
import json
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from statistics import median
from typing import TypeVar

import msgspec
from aiohttp import ClientSession
from nats.aio.client import Client

from bench.bus import Bus, connected, nats_server
from bench.delivery import Sent
from bench.divided import Divided
from bench.machine import cpu_seconds, resident_bytes
from bench.programs import Program
from bench.ticking import Ticking, fill
from bench.versions import Version
from bench.viewing import JOINS_AT_ONCE, coordinator, crowd, quantile, viewer
from protocol import subjects

GONE_SECONDS = 60.0

S = TypeVar("S", bound=msgspec.Struct)


class Large(msgspec.Struct, frozen=True, kw_only=True):
    """A large stream, and few viewers."""

    rooms: float
    watched: float
    ready_seconds: float
    """From the start of the process, Python's own included, until `/readyz` says so."""
    resident_mb: float
    cold_p50_ms: float
    cold_p99_ms: float
    """From connecting to `hello`, for the first viewer of a room, one after another."""
    asked_p50_ms: float
    asked_p99_ms: float
    """A request to `coordinator.room` for a room that nobody watches."""


class Following(msgspec.Struct, frozen=True, kw_only=True):
    """Many ticks, and few of them in rooms that are watched."""

    ticks_a_second: float
    watched: float
    core_share: float


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """What rooms took of a coordinator's memory, what was left of that a minute later, and by how
    much as many other rooms let it grow then."""

    rooms: float
    taken_mb: float
    kept_mb: float
    grown_mb: float | None = None
    """None in results of before this was measured."""
    followed: float
    """Rooms that were still followed; -1 where the coordinator has no such metric."""


class Watched(msgspec.Struct, kw_only=True):
    """Everything that was measured of one version."""

    large: Large | None = None
    following: Following | None = None
    sent: Sent | None = None
    divided: Divided | None = None
    quarter_in_c: float | None = None
    """What a loop of `send()` in C takes for a quarter of those ticks, if for all it takes 1."""
    left: Left | None = None


def medians(rounds: Sequence[S]) -> S:
    """The median of every figure."""
    figures = [msgspec.structs.asdict(measured) for measured in rounds]
    return type(rounds[0])(**{name: median(one[name] for one in figures) for name in figures[0]})


# A large stream


async def large(
    tried: Sequence[Version], rooms: int, watched: int, *, rounds: int, times: int
) -> dict[str, list[Large]]:
    """Fill a stream once, and start each version's coordinator on it in turn."""
    found: dict[str, list[Large]] = {version.name: [] for version in tried}
    async with nats_server() as bus, connected(bus) as client:
        async with coordinator(tried[0], bus):
            pass  # it makes the stream
        names = [f"room-{index}" for index in range(rooms)]
        await fill(client, names, ticks=2)
        unused = iter(names[watched:])
        for _ in range(rounds):
            for version in tried:
                found[version.name].append(
                    await _start(version, bus, client, rooms, watched, unused, times)
                )
    return found


async def _start(
    version: Version,
    bus: Bus,
    client: Client,
    rooms: int,
    watched: int,
    unused: Iterator[str],
    times: int,
) -> Large:
    async with coordinator(version, bus) as (program, port, ready_seconds), crowd(port) as join:
        await join(watched, "room-%d")
        await asyncio.sleep(2)
        resident = resident_bytes(program.pid)
        cold = [await _greeting_ms(port, next(unused)) for _ in range(times)]
        asked = [await _asking_ms(client, next(unused)) for _ in range(times)]
    return Large(
        rooms=rooms,
        watched=watched,
        ready_seconds=ready_seconds,
        resident_mb=resident / 1e6,
        cold_p50_ms=quantile(cold, 0.5),
        cold_p99_ms=quantile(cold, 0.99),
        asked_p50_ms=quantile(asked, 0.5),
        asked_p99_ms=quantile(asked, 0.99),
    )


async def _greeting_ms(port: int, room: str) -> float:
    began = time.perf_counter()
    async with viewer(port, room):
        return (time.perf_counter() - began) * 1000


async def _asking_ms(client: Client, room: str) -> float:
    question = msgspec.json.encode({"room": room})
    began = time.perf_counter()
    answer = await client.request(subjects.ROOM, question, timeout=5)
    took = (time.perf_counter() - began) * 1000
    if json.loads(answer.data)["seq"] == 0:
        raise RuntimeError(f"{room} is answered as a room of which nothing is known")
    return took


# Many ticks


async def following(version: Version, ticks: int, watched: int, *, seconds: int) -> Following:
    """Tick once a second in each of many rooms; one in so many has a viewer."""
    every = ticks // watched
    rooms = [
        f"other-{index}" if index % every else f"room-{index // every}" for index in range(ticks)
    ]
    async with (
        nats_server() as bus,
        coordinator(version, bus) as (program, port, _),
        connected(bus) as client,
        crowd(port) as join,
    ):
        await fill(client, rooms, ticks=1)
        watchers = await join(watched, "room-%d")
        ticking = Ticking(client, rooms)
        await ticking.run(2)
        await asyncio.sleep(1)  # ticks of the warm-up may still be on their way
        await watchers.reset()
        before, began = cpu_seconds(program.pid), time.monotonic()
        await ticking.run(seconds)
        used, lasted = cpu_seconds(program.pid) - before, time.monotonic() - began
        await watchers.expect(watched * seconds, seconds=10)
        return Following(ticks_a_second=ticks, watched=watched, core_share=used / lasted)


# Rooms that are left


async def left(tried: Sequence[Version], rooms: int) -> dict[str, Left]:
    """Have rooms watched, all their viewers leave, and as many others watched then; every version
    at the same time."""
    async with nats_server() as bus, connected(bus) as client, AsyncExitStack() as stack:
        running = [await stack.enter_async_context(coordinator(one, bus)) for one in tried]
        for _, port, _ in running:
            async with crowd(port) as join:  # what happens once in a life
                await join(JOINS_AT_ONCE, "warming-%d")
        await asyncio.sleep(2)
        empty = [resident_bytes(program.pid) for program, _, _ in running]
        full = await _watched(client, running, rooms, "room")
        await asyncio.sleep(GONE_SECONDS)
        kept = [resident_bytes(program.pid) for program, _, _ in running]
        followed = [await _metric(port, "tminus_feed_rooms") for _, port, _ in running]
        again = await _watched(client, running, rooms, "other")
        return {
            version.name: Left(
                rooms=rooms,
                taken_mb=(full[place] - empty[place]) / 1e6,
                kept_mb=(kept[place] - empty[place]) / 1e6,
                grown_mb=(again[place] - full[place]) / 1e6,
                followed=followed[place],
            )
            for place, version in enumerate(tried)
        }


async def _watched(
    client: Client, running: Sequence[tuple[Program, int, float]], rooms: int, name: str
) -> list[int]:
    """Each coordinator's resident bytes while it has a viewer in each of so many rooms."""
    await fill(client, [f"{name}-{index}" for index in range(rooms)], ticks=50)
    async with AsyncExitStack() as watching:
        for _, port, _ in running:
            join = await watching.enter_async_context(crowd(port))
            await join(rooms, f"{name}-%d")
        await asyncio.sleep(3)
        return [resident_bytes(program.pid) for program, _, _ in running]


async def _metric(port: int, name: str) -> float:
    async with (
        ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/metrics") as answer,
    ):
        found = re.search(rf"^{name} (\S+)$", await answer.text(), re.MULTILINE)
    return float(found[1]) if found else -1.0
