"""What it costs a server to deliver: processor a frame, latency, bursts, memory a viewer, joins."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from statistics import median

import msgspec

from bench.bus import Voice, connected, nats_server
from bench.load import Incomplete, Load, load
from bench.machine import LOAD_CORE, SERVER_CORE, core_seconds, cpu_seconds, resident_bytes
from bench.servers import Server, serving

WARMING_VIEWERS = 10
BURST = 300
BURST_VIEWERS = 1000


class Steady(msgspec.Struct, frozen=True, kw_only=True):
    """A steady stream of messages to a crowd."""

    viewers: int
    per_second: float
    frames: int
    cpu_us_a_frame: float
    load_busy: float
    server_core_busy_with_others: float
    late_ms: list[float]
    p50_ms: float
    p99_ms: float
    worst_ms: float


class Burst(msgspec.Struct, frozen=True, kw_only=True):
    """Messages published all in one go."""

    frames: int
    seconds: float
    frames_a_second: float
    cpu_us_a_frame: float
    load_busy: float


class Crowd(msgspec.Struct, frozen=True, kw_only=True):
    """One server with one crowd: everything that was measured of it."""

    server: str
    viewers: int
    join_seconds: float
    bytes_a_viewer: float
    steady: Steady
    bursts: list[Burst]


def rate_for(viewers: int) -> float:
    """Messages a second: 20, or as many as leave the slowest server's core some air."""
    return 20.0 if viewers <= 1000 else 2.0


async def measure(server: Server, viewers: int, *, seconds: float, bursts: int) -> Crowd:
    """Run the server with an empty bus and a crowd of viewers, and measure it."""
    async with (
        nats_server(core=SERVER_CORE if server.is_the_bus else LOAD_CORE) as bus,
        serving(server, bus) as (program, port),
        connected(bus) as client,
    ):
        voice = Voice(client, server.subject, makes_frames=server.makes_frames)
        await warm_up(port, server.load_options, voice)
        empty = resident_bytes(program.pid)
        async with load(port, server.load_options) as crowd:
            joined = await crowd.join(viewers, seconds=120)
            await settle(crowd, voice, viewers)
            steady = await stream(crowd, voice, program.pid, viewers, rate_for(viewers), seconds)
            resident = resident_bytes(program.pid)
            return Crowd(
                server=server.name,
                viewers=viewers,
                join_seconds=joined.seconds,
                bytes_a_viewer=(resident - empty) / viewers,
                steady=steady,
                bursts=[await burst(crowd, voice, program.pid, viewers) for _ in range(bursts)],
            )


async def admitted(port: int, options: Sequence[str]) -> None:
    """Wait until the server takes viewers: it listens before it is ready."""
    for _ in range(100):
        async with load(port, options) as one:
            with suppress(Incomplete):
                await one.join(1)
                return
        await asyncio.sleep(0.1)
    raise Incomplete("no viewer is taken")


async def warm_up(port: int, options: Sequence[str], voice: Voice) -> None:
    """A few viewers and messages first, so that nothing is measured that happens once in a life."""
    await admitted(port, options)
    async with load(port, options) as few:
        await few.join(WARMING_VIEWERS)
        await settle(few, voice, WARMING_VIEWERS)
        for _ in range(20):
            await voice.say()


async def settle(crowd: Load, voice: Voice, viewers: int) -> None:
    """Wait until a message reaches all: some servers subscribe a viewer after its handshake."""
    for _ in range(20):
        await crowd.reset()
        await voice.say()
        try:
            await crowd.expect(viewers, seconds=3)
        except Incomplete:
            continue
        return
    raise Incomplete("a message does not reach all viewers")


async def stream(
    crowd: Load,
    voice: Voice,
    pid: int,
    viewers: int,
    per_second: float,
    seconds: float,
    rooms: list[str] | None = None,
) -> Steady:
    """Publish steadily and measure; where there are rooms, each viewer is in one of them."""
    count = round(per_second * seconds)
    frames = count * viewers // (len(rooms) if rooms else 1)
    await crowd.reset()
    before, (busy_before, all_before) = cpu_seconds(pid), core_seconds(SERVER_CORE)
    await voice.say_steadily(count, per_second, rooms)
    report = await crowd.expect(frames)
    used = cpu_seconds(pid) - before
    busy, every = core_seconds(SERVER_CORE)
    return Steady(
        viewers=viewers,
        per_second=per_second,
        frames=frames,
        cpu_us_a_frame=used / frames * 1e6,
        load_busy=report.cpu_seconds / report.seconds,
        server_core_busy_with_others=max(0.0, (busy - busy_before - used) / (every - all_before)),
        late_ms=report.late_ms,
        p50_ms=report.late(50),
        p99_ms=report.late(99),
        worst_ms=report.worst_ms,
    )


async def burst(crowd: Load, voice: Voice, pid: int, viewers: int) -> Burst:
    """Publish 300 messages at once and take the time from the first frame to the last."""
    await crowd.reset(is_timed=False)
    before = cpu_seconds(pid)
    await voice.say(BURST)
    report = await crowd.expect(BURST * viewers, seconds=120)
    return Burst(
        frames=report.frames,
        seconds=report.first_to_last_seconds,
        frames_a_second=report.frames / report.first_to_last_seconds,
        cpu_us_a_frame=(cpu_seconds(pid) - before) / report.frames * 1e6,
        load_busy=report.cpu_seconds / report.first_to_last_seconds,
    )


def middle(crowds: list[Crowd]) -> Crowd:
    """The round with the median processor time a frame, with the median of every other figure."""
    by_cost = sorted(crowds, key=lambda crowd: crowd.steady.cpu_us_a_frame)
    typical = by_cost[len(by_cost) // 2]
    return msgspec.structs.replace(
        typical,
        join_seconds=median(crowd.join_seconds for crowd in crowds),
        bytes_a_viewer=median(crowd.bytes_a_viewer for crowd in crowds),
        steady=msgspec.structs.replace(
            typical.steady,
            cpu_us_a_frame=median(crowd.steady.cpu_us_a_frame for crowd in crowds),
            p50_ms=median(crowd.steady.p50_ms for crowd in crowds),
            p99_ms=median(crowd.steady.p99_ms for crowd in crowds),
        ),
        bursts=[burst for crowd in crowds for burst in crowd.bursts],
    )
