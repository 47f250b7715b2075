"""What a coordinator costs that follows the watched rooms alone, beside one that followed them all.

Both are measured in the same way on a nats-server of their own or, in turn, on the same one.
"""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from statistics import median
from typing import TypeVar

import msgspec
from aiohttp import ClientError, ClientSession
from nats.aio.client import Client
from nats.js.api import ConsumerConfig, DeliverPolicy

from bench.bus import Bus, connected, nats_server
from bench.load import Incomplete, Load, load
from bench.machine import cpu_seconds, resident_bytes
from bench.programs import Program
from bench.servers import TMINUS, serving
from bench.ticking import Ticking, fill, until
from bench.versions import Version
from protocol import subjects

READY_SECONDS = 60.0
JOINS_AT_ONCE = 100
COORDINATORS = 4
GONE_SECONDS = 60.0
SENT_PER_SECOND = 20

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


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """From the stream's time stamp to the viewer, one room at a time."""

    event_p50_ms: float
    event_p99_ms: float
    message_p50_ms: float
    message_p99_ms: float


class Divided(msgspec.Struct, frozen=True, kw_only=True):
    """Watched rooms with one coordinator, and divided between four: shares of a core."""

    rooms: float
    alone_share: float
    each_share: float


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """What rooms took of a coordinator's memory, and what was left of that a minute later."""

    rooms: float
    taken_mb: float
    kept_mb: float
    followed: float
    """Rooms that were still followed; -1 where the coordinator has no such metric."""


class Watched(msgspec.Struct, kw_only=True):
    """Everything that was measured of one version."""

    large: Large | None = None
    following: Following | None = None
    sent: Sent | None = None
    divided: Divided | None = None
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
        async with _coordinator(tried[0], bus):
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
    async with _coordinator(version, bus) as (program, port, ready_seconds), _crowd(port) as crowd:
        await crowd(watched, "room-%d")
        await asyncio.sleep(2)
        resident = resident_bytes(program.pid)
        cold = [await _greeting_ms(port, next(unused)) for _ in range(times)]
        asked = [await _asking_ms(client, next(unused)) for _ in range(times)]
    return Large(
        rooms=rooms,
        watched=watched,
        ready_seconds=ready_seconds,
        resident_mb=resident / 1e6,
        cold_p50_ms=_quantile(cold, 0.5),
        cold_p99_ms=_quantile(cold, 0.99),
        asked_p50_ms=_quantile(asked, 0.5),
        asked_p99_ms=_quantile(asked, 0.99),
    )


async def _greeting_ms(port: int, room: str) -> float:
    began = time.perf_counter()
    async with _viewer(port, room):
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
        _coordinator(version, bus) as (program, port, _),
        connected(bus) as client,
        _crowd(port) as crowd,
    ):
        await fill(client, rooms, ticks=1)
        watchers = await crowd(watched, "room-%d")
        ticking = Ticking(client, rooms)
        await ticking.run(2)
        await asyncio.sleep(1)  # ticks of the warm-up may still be on their way
        await watchers.reset()
        before, began = cpu_seconds(program.pid), time.monotonic()
        await ticking.run(seconds)
        used, lasted = cpu_seconds(program.pid) - before, time.monotonic() - began
        await watchers.expect(watched * seconds, seconds=10)
        return Following(ticks_a_second=ticks, watched=watched, core_share=used / lasted)


async def divided(version: Version, rooms: int, *, seconds: int) -> Divided:
    """Tick in many rooms, each with a viewer: with one coordinator, and with four."""
    return Divided(
        rooms=rooms,
        alone_share=await _shared_by(version, 1, rooms, seconds),
        each_share=await _shared_by(version, COORDINATORS, rooms, seconds),
    )


async def _shared_by(version: Version, coordinators: int, rooms: int, seconds: int) -> float:
    """The share of a core that each of so many coordinators takes, on average."""
    names = [f"room-{index % COORDINATORS}-{index // COORDINATORS}" for index in range(rooms)]
    async with AsyncExitStack() as stack:
        bus = await stack.enter_async_context(nats_server())
        client = await stack.enter_async_context(connected(bus))
        programs, ports = [], []
        for _ in range(coordinators):
            program, port, _ = await stack.enter_async_context(_coordinator(version, bus))
            programs.append(program)
            ports.append(port)
        await fill(client, names, ticks=1)
        crowds = []
        for part in range(COORDINATORS):
            crowd = await stack.enter_async_context(_crowd(ports[part % coordinators]))
            crowds.append(await crowd(rooms // COORDINATORS, f"room-{part}-%d"))
        ticking = Ticking(client, names)
        await ticking.run(3)
        for viewers in crowds:
            await asyncio.sleep(1)  # as above
            await viewers.reset()
        before = sum(cpu_seconds(program.pid) for program in programs)
        began = time.monotonic()
        await ticking.run(seconds)
        used = sum(cpu_seconds(program.pid) for program in programs) - before
        lasted = time.monotonic() - began
        for viewers in crowds:
            await viewers.expect(rooms // COORDINATORS * seconds, seconds=10)
        return used / lasted / coordinators


# One room


async def sent(version: Version, *, seconds: int) -> Sent:
    """Events in one room and messages in another, in turn, each with a viewer that notes when."""
    async with (
        nats_server() as bus,
        _coordinator(version, bus) as (_, port, _),
        connected(bus) as client,
    ):
        await fill(client, ["events", "messages"], ticks=1)
        async with _viewer(port, "events") as heard, _viewer(port, "messages") as heard_messages:
            await asyncio.sleep(1)
            heard.clear()
            heard_messages.clear()
            ticking = Ticking(client, ["events"])
            began = time.monotonic()
            for index in range(SENT_PER_SECOND * seconds):
                await until(began + index / SENT_PER_SECOND)
                await ticking.tick("events", index)
                await client.flush()
                await until(began + (index + 0.5) / SENT_PER_SECOND)
                await client.publish(subjects.messages("messages"), b"a message of some length")
                await client.flush()
            await asyncio.sleep(1)
        stored = await _stored(client)
        event_ms = _late(stored, heard)
        message_ms = _late(stored, heard_messages)
    for kind, late in (("events", event_ms), ("messages", message_ms)):
        if len(late) != SENT_PER_SECOND * seconds:
            raise Incomplete(f"{len(late)} of {SENT_PER_SECOND * seconds} {kind} were heard")
    return Sent(
        event_p50_ms=_quantile(event_ms, 0.5),
        event_p99_ms=_quantile(event_ms, 0.99),
        message_p50_ms=_quantile(message_ms, 0.5),
        message_p99_ms=_quantile(message_ms, 0.99),
    )


def _late(stored: dict[int, int], heard: dict[int, int]) -> list[float]:
    return [(at - stored[seq]) / 1e6 for seq, at in heard.items() if seq in stored]


async def _stored(client: Client) -> dict[int, int]:
    """When each entry was stored, in nanoseconds since the Unix epoch."""
    stream = client.jetstream()
    last = (await stream.stream_info(subjects.STREAM)).state.last_seq
    entries = await stream.subscribe(
        "countdown.*.*",
        stream=subjects.STREAM,
        ordered_consumer=True,
        config=ConsumerConfig(deliver_policy=DeliverPolicy.ALL),
        pending_msgs_limit=-1,
        pending_bytes_limit=-1,
    )
    stored: dict[int, int] = {}
    while True:
        entry = await entries.next_msg(timeout=10)
        seq = entry.metadata.sequence.stream
        stored[seq] = int(entry.reply.split(".")[-2])
        if seq >= last:
            return stored


# Rooms that are left


async def left(tried: Sequence[Version], rooms: int) -> dict[str, Left]:
    """Have rooms watched, and all their viewers leave; every version at the same time."""
    async with nats_server() as bus, connected(bus) as client, AsyncExitStack() as stack:
        running = [await stack.enter_async_context(_coordinator(one, bus)) for one in tried]
        for _, port, _ in running:
            async with _crowd(port) as crowd:  # what happens once in a life
                await crowd(JOINS_AT_ONCE, "warming-%d")
        await asyncio.sleep(2)
        empty = [resident_bytes(program.pid) for program, _, _ in running]
        await fill(client, [f"room-{index}" for index in range(rooms)], ticks=50)
        async with AsyncExitStack() as watching:
            for _, port, _ in running:
                crowd = await watching.enter_async_context(_crowd(port))
                await crowd(rooms, "room-%d")
            await asyncio.sleep(3)
            full = [resident_bytes(program.pid) for program, _, _ in running]
        await asyncio.sleep(GONE_SECONDS)
        found: dict[str, Left] = {}
        for version, (program, port, _), at_first, most in zip(
            tried, running, empty, full, strict=True
        ):
            found[version.name] = Left(
                rooms=rooms,
                taken_mb=(most - at_first) / 1e6,
                kept_mb=(resident_bytes(program.pid) - at_first) / 1e6,
                followed=await _metric(port, "tminus_feed_rooms"),
            )
        return found


async def _metric(port: int, name: str) -> float:
    async with (
        ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/metrics") as answer,
    ):
        found = re.search(rf"^{name} (\S+)$", await answer.text(), re.MULTILINE)
    return float(found[1]) if found else -1.0


# Coordinators and their viewers


@asynccontextmanager
async def _coordinator(version: Version, bus: Bus) -> AsyncIterator[tuple[Program, int, float]]:
    """Run a coordinator until it is ready; gives also how many seconds that took."""
    began = time.monotonic()
    async with serving(TMINUS, bus, **version.environment) as (program, port):
        async with asyncio.timeout(READY_SECONDS), ClientSession() as session:
            while not await _is_ready(session, port):
                await asyncio.sleep(0.01)
        yield program, port, time.monotonic() - began


async def _is_ready(session: ClientSession, port: int) -> bool:
    with suppress(ClientError):
        async with session.get(f"http://127.0.0.1:{port}/readyz") as answer:
            return answer.status == 200
    return False


@asynccontextmanager
async def _crowd(port: int) -> AsyncIterator[Callable[[int, str], Awaitable[Load]]]:
    """Give a function that has one viewer join in each of so many rooms."""
    async with AsyncExitStack() as stack:

        async def join(rooms: int, name: str) -> Load:
            path = ("--path", f"/ws/connect?room={name}", "--rooms", str(rooms))
            crowd = await stack.enter_async_context(load(port, ("--hello", *path)))
            for joined in range(0, rooms, JOINS_AT_ONCE):
                await crowd.join(min(JOINS_AT_ONCE, rooms - joined))
            return crowd

        yield join


@asynccontextmanager
async def _viewer(port: int, room: str) -> AsyncIterator[dict[int, int]]:
    """A viewer that has its `hello`; gives when it heard each sequence after that, in ns."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        f"GET /ws/connect?room={room} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    heard: dict[int, int] = {}
    try:
        async with asyncio.timeout(10):
            await reader.readuntil(b'"type":"hello"')
        hearing = asyncio.create_task(_hear(reader, heard))
        yield heard
        hearing.cancel()
    finally:
        writer.transport.abort()


async def _hear(reader: asyncio.StreamReader, heard: dict[int, int]) -> None:
    while data := await reader.read(1 << 16):
        now = time.time_ns()
        for seq in re.findall(rb'"seq":(\d+)', data):
            heard.setdefault(int(seq), now)


def _quantile(values: Sequence[float], q: float) -> float:
    return sorted(values)[min(len(values) - 1, int(q * len(values)))]
