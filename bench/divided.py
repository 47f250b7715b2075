"""What four coordinators cost that divide the watched rooms, and what a loop in C needs for it."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack

import msgspec
from nats.aio.client import Client

from bench.bus import Bus, connected, nats_server
from bench.load import load
from bench.machine import PROGRAMS, SERVER_CORE, cpu_seconds
from bench.programs import running
from bench.ticking import Ticking, fill
from bench.versions import Version
from bench.viewing import coordinator, crowd
from protocol import subjects
from support.ports import free_port

COORDINATORS = 4


class Divided(msgspec.Struct, frozen=True, kw_only=True):
    """Watched rooms with one coordinator, divided between four, and a quarter of them with one that
    is alone: shares of a core."""

    rooms: float
    alone_share: float
    each_share: float
    quarter_share: float | None = None
    """None in results of before this was measured."""


async def divided(version: Version, rooms: int, *, seconds: int) -> Divided:
    """Tick in many rooms, each with a viewer: with one coordinator, and with four; then a viewer in
    a quarter of them only, with one."""
    return Divided(
        rooms=rooms,
        alone_share=await _shared_by(version, 1, rooms, seconds),
        each_share=await _shared_by(version, COORDINATORS, rooms, seconds),
        quarter_share=await _shared_by(version, 1, rooms, seconds, parts=1),
    )


async def _shared_by(
    version: Version, coordinators: int, rooms: int, seconds: int, parts: int = COORDINATORS
) -> float:
    """The share of a core that each of so many coordinators takes, on average, with viewers in so
    many quarters of the rooms."""
    names = [f"room-{index % COORDINATORS}-{index // COORDINATORS}" for index in range(rooms)]
    async with AsyncExitStack() as stack:
        bus = await stack.enter_async_context(nats_server())
        client = await stack.enter_async_context(connected(bus))
        programs, ports = [], []
        for _ in range(coordinators):
            program, port, _ = await stack.enter_async_context(coordinator(version, bus))
            programs.append(program)
            ports.append(port)
        await fill(client, names, ticks=1)
        crowds = []
        for part in range(parts):
            join = await stack.enter_async_context(crowd(ports[part % coordinators]))
            crowds.append(await join(rooms // COORDINATORS, f"room-{part}-%d"))
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


async def quarter_in_c(version: Version, rooms: int, *, seconds: int) -> float:
    """What a loop of `send()` in C takes for the ticks of a quarter of so many rooms, as a share of
    what it takes for those of all: as little of its own as any program that does this."""
    names = [f"room-{index}" for index in range(rooms)]
    async with nats_server() as bus, connected(bus) as client:
        async with coordinator(version, bus):
            pass  # it makes the stream
        every, quarter = [
            await _in_c(bus, client, names, followed, seconds)
            for followed in (names, names[::COORDINATORS])
        ]
    return quarter / every


async def _in_c(
    bus: Bus, client: Client, names: Sequence[str], followed: Sequence[str], seconds: int
) -> float:
    """The share of a core that the loop takes to send the ticks of those rooms that it follows."""
    port, bus_port = free_port(), bus.url.rpartition(":")[2]
    words = [str(PROGRAMS / "limit"), str(port), bus_port, *map(subjects.live_events, followed)]
    async with (
        running("limit", words, core=SERVER_CORE, port=port) as program,
        load(port) as viewer,
    ):
        await viewer.join(1)
        ticking = Ticking(client, names)
        await ticking.run(2)
        await asyncio.sleep(1)
        await viewer.reset(is_timed=False)
        before, began = cpu_seconds(program.pid), time.monotonic()
        await ticking.run(seconds)
        used, lasted = cpu_seconds(program.pid) - before, time.monotonic() - began
        await asyncio.sleep(1)
        report = await viewer.report()
    if (sent := report.frames + report.other_frames) != len(followed) * seconds:
        raise RuntimeError(f"the loop in C sent {sent} of {len(followed) * seconds} ticks")
    return used / lasted
