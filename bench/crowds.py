"""Measures of the coordinator alone: joining crowds, many rooms, idling, pings, real ticks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import nats.errors
from nats.aio.client import Client

from bench.bus import Voice, connected, nats_server
from bench.fanout import Steady, admitted, settle, stream, warm_up
from bench.load import load
from bench.machine import cpu_seconds, resident_bytes
from bench.programs import python, running
from bench.servers import TMINUS, serving
from support.ports import free_port

READY_SECONDS = 15.0


class Joins(msgspec.Struct, frozen=True, kw_only=True):
    """A crowd that joins at once while others watch."""

    viewers: int
    seconds: float
    stayed: int
    stayed_frames: int
    stayed_p99_ms: float
    stayed_worst_ms: float


class Idle(msgspec.Struct, frozen=True, kw_only=True):
    """A crowd to which nothing happens."""

    viewers: int
    seconds: float
    core_share: float
    bytes_a_viewer: float


class Pings(msgspec.Struct, frozen=True, kw_only=True):
    """A crowd that asks for the time."""

    viewers: int
    pings_a_second: float
    cpu_us_a_ping: float
    bytes_a_viewer: float


class Rooms(msgspec.Struct, frozen=True, kw_only=True):
    """Viewers spread over rooms, a message a second in each."""

    rooms: int
    viewers: int
    steady: Steady


class Ticks(msgspec.Struct, frozen=True, kw_only=True):
    """A real run: from the moment a tick is due to the moment a viewer has it."""

    viewers: int
    frames: int
    p50_ms: float
    p99_ms: float
    worst_ms: float
    late_ms: list[float]


async def joins(viewers: int, *, stayed: int = 100) -> Joins:
    """Let viewers join at once, and see how late those who stayed get their messages meanwhile."""
    async with (
        nats_server() as bus,
        serving(TMINUS, bus) as (_, port),
        connected(bus) as client,
        load(port, TMINUS.load_options) as crowd,
    ):
        voice = Voice(client, TMINUS.subject, makes_frames=False)
        await warm_up(port, TMINUS.load_options, voice)
        await crowd.join(stayed)
        await settle(crowd, voice, stayed)
        await crowd.reset()
        speaking = asyncio.create_task(voice.say_steadily(300, 5))
        joined = await crowd.join(viewers, seconds=60)
        speaking.cancel()
        await asyncio.sleep(0.5)
        watched = await crowd.report()
        return Joins(
            viewers=viewers,
            seconds=joined.seconds,
            stayed=stayed,
            stayed_frames=watched.frames,
            stayed_p99_ms=watched.late(99),
            stayed_worst_ms=watched.worst_ms,
        )


async def idle(viewers: int, *, seconds: float) -> Idle:
    """Leave a crowd alone, heartbeats included."""
    async with (
        nats_server() as bus,
        serving(TMINUS, bus) as (program, port),
        connected(bus) as client,
    ):
        await warm_up(port, TMINUS.load_options, Voice(client, TMINUS.subject, makes_frames=False))
        empty = resident_bytes(program.pid)
        async with load(port, TMINUS.load_options) as crowd:
            await crowd.join(viewers)
            await asyncio.sleep(2)
            before = cpu_seconds(program.pid)
            await asyncio.sleep(seconds)
            return Idle(
                viewers=viewers,
                seconds=seconds,
                core_share=(cpu_seconds(program.pid) - before) / seconds,
                bytes_a_viewer=(resident_bytes(program.pid) - empty) / viewers,
            )


async def pings(viewers: int, *, seconds: float, every_ms: int = 2000) -> Pings:
    """Let every viewer send the page's pings."""
    async with (
        nats_server() as bus,
        serving(TMINUS, bus) as (program, port),
        connected(bus) as client,
    ):
        voice = Voice(client, TMINUS.subject, makes_frames=False)
        await warm_up(port, TMINUS.load_options, voice)
        empty = resident_bytes(program.pid)
        async with load(port, (*TMINUS.load_options, "--ping-every", str(every_ms))) as crowd:
            await crowd.join(viewers)
            await asyncio.sleep(2)
            await crowd.reset()
            before = cpu_seconds(program.pid)
            await asyncio.sleep(seconds)
            report = await crowd.report()
            used = cpu_seconds(program.pid) - before
            return Pings(
                viewers=viewers,
                pings_a_second=report.pongs / report.seconds,
                cpu_us_a_ping=used / report.pongs * 1e6,
                bytes_a_viewer=(resident_bytes(program.pid) - empty) / viewers,
            )


async def rooms(count: int, viewers: int, *, seconds: float, per_second: float = 1.0) -> Rooms:
    """Spread viewers over rooms and publish in each: as many frames for any number of rooms."""
    names = [f"room-{index}" for index in range(count)]
    async with (
        nats_server() as bus,
        serving(TMINUS, bus) as (program, port),
        connected(bus) as client,
    ):
        voice = Voice(client, TMINUS.subject, makes_frames=False)
        await warm_up(port, TMINUS.load_options, voice)
        options = (
            *TMINUS.load_options,
            "--path",
            "/ws/connect?room=room-%d",
            "--rooms",
            str(count),
        )
        async with load(port, options) as crowd:
            await crowd.join(viewers, seconds=60)
            await asyncio.sleep(2)
            steady = await stream(
                crowd, voice, program.pid, viewers, per_second * count, seconds, names
            )
            return Rooms(rooms=count, viewers=viewers, steady=steady)


async def ticks(viewers: int, *, from_: int, interval_ms: int) -> Ticks:
    """Run a real scheduler and time its ticks from their due time to every viewer."""
    async with (
        nats_server() as bus,
        scheduler(bus.url, "scheduler-1"),
        serving(TMINUS, bus) as (_, port),
        connected(bus) as client,
        load(port, ("--hello", "--stamp-ms", '"due":')) as crowd,
    ):
        await admitted(port, ("--hello",))
        await answering(client)
        await crowd.join(viewers, seconds=60)
        await crowd.reset()
        terms = {"from": from_, "interval_ms": interval_ms, "starts_at": None}
        await client.request("scheduler.start", msgspec.json.encode(terms), timeout=5)
        # The `started` event is a frame too, and has no due time.
        report = await crowd.expect(viewers * (from_ + 2), seconds=from_ * interval_ms / 1000 + 20)
        return Ticks(
            viewers=viewers,
            frames=report.timed,
            p50_ms=report.late(50),
            p99_ms=report.late(99),
            worst_ms=report.worst_ms,
            late_ms=report.late_ms,
        )


UNBOUNDED = {"MAX_RUNS": "1000000", "MAX_TICKS_PER_SECOND": "1000000"}


@asynccontextmanager
async def scheduler(url: str, instance: str, core: int | None = None) -> AsyncIterator[None]:
    """Run a scheduler."""
    port = free_port()
    settings = {"PORT": str(port), "NATS_URL": url, "INSTANCE": instance} | UNBOUNDED
    async with running(instance, python("scheduler"), core=core, port=port, environment=settings):
        yield


async def answering(client: Client) -> None:
    """Wait until a scheduler answers; a request that is not valid changes nothing."""
    async with asyncio.timeout(READY_SECONDS):
        while True:
            try:
                await client.request("scheduler.cancel", b'{"room":"no such room"}', timeout=1)
            except nats.errors.Error:
                await asyncio.sleep(0.1)
            else:
                return
