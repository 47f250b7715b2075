"""All cores of one machine: a coordinator alone and with two workers, on one core and on two.

The load and the bus have the second core, and share it with a worker where there are two. So what
counts is processor time: how much the busiest process needs for a tick is how long the last viewer
waits where each worker has a core to itself. What the clock shows stands beside it.
"""

import asyncio
import re
import time
from statistics import median

import msgspec
from aiohttp import ClientSession

from bench.bus import Voice, connected, nats_server
from bench.fanout import settle, warm_up
from bench.load import load
from bench.machine import LOAD_CORE, SERVER_CORE, cpu_seconds, family
from bench.markdown import table
from bench.programs import Program
from bench.servers import TMINUS, serving
from support.ports import free_port

TICKS = 20
PAUSE_SECONDS = 0.3
BOTH = f"{SERVER_CORE},{LOAD_CORE}"
PLANS = (
    ("one process, one core", 1, str(SERVER_CORE)),
    ("2 workers, one core", 2, str(SERVER_CORE)),
    ("2 workers, two cores", 2, BOTH),
)


class Shared(msgspec.Struct, frozen=True, kw_only=True):
    """One way to serve a crowd: processor times, and what the clock shows."""

    join_us: float
    """Of all processes, for a viewer that joins."""
    joins_a_second: float
    tick_ms: float
    """Of all processes, for a tick to everybody."""
    busiest_tick_ms: float
    last_ms: float
    """From the publishing of a tick until the last viewer has it, by the clock."""
    most_viewers: float
    """The largest share of the viewers that a process has."""


async def shared(workers: int, cores: str, viewers: int) -> Shared:
    """Let a crowd join at once, and tell it something `TICKS` times."""
    metrics_port = free_port()
    settings = {"WORKERS": str(workers), "METRICS_PORT": str(metrics_port)}
    async with (
        nats_server() as bus,
        serving(TMINUS, bus, cores, **settings) as (program, port),
        connected(bus) as client,
    ):
        voice = Voice(client, TMINUS.subject, makes_frames=False)
        await warm_up(port, TMINUS.load_options, voice)
        async with load(port, TMINUS.load_options) as crowd:
            before = _each(program)
            joined = await crowd.join(viewers)
            join_seconds = sum(_since(before, program))
            await settle(crowd, voice, viewers)
            ticks, busiest, last = [], [], []
            for _ in range(TICKS):
                await asyncio.sleep(PAUSE_SECONDS)
                await crowd.reset()
                before, at = _each(program), time.time()
                await voice.say()
                report = await crowd.expect(viewers)
                used = _since(before, program)
                ticks.append(sum(used))
                busiest.append(max(used))
                last.append(report.last_at_us / 1e6 - at)
            most = max(await _viewers(metrics_port)) / viewers
    return Shared(
        join_us=join_seconds / viewers * 1e6,
        joins_a_second=viewers / joined.seconds,
        tick_ms=median(ticks) * 1e3,
        busiest_tick_ms=median(busiest) * 1e3,
        last_ms=median(last) * 1e3,
        most_viewers=most,
    )


def _each(program: Program) -> dict[int, float]:
    """What each process has used of the processor, without those that it has started."""
    return {pid: cpu_seconds(pid, alone=True) for pid in family(program.pid)}


def _since(before: dict[int, float], program: Program) -> list[float]:
    return [used - before.get(pid, 0.0) for pid, used in _each(program).items()]


async def _viewers(metrics_port: int) -> list[float]:
    url = f"http://127.0.0.1:{metrics_port}/metrics"
    async with ClientSession() as session, session.get(url) as answer:
        return [
            float(n) for n in re.findall(r"\ntminus_viewers(?:{.*})? (\S+)", await answer.text())
        ]


async def measure(rounds: int, viewers: int) -> str:
    """All ways in turn, several times; gives the table of the medians."""
    found: dict[str, list[Shared]] = {name: [] for name, _, _ in PLANS}
    for _ in range(rounds):
        for name, workers, cores in PLANS:
            found[name].append(await shared(workers, cores, viewers))
            print(f"{name}: {found[name][-1]}", flush=True)
    heading = (
        f"{viewers:,} viewers",
        "CPU a join",
        "joins/s, clock",
        "CPU a tick, in all",
        "the busiest process",
        "last viewer, clock",
        "most viewers on one",
    )
    return table(heading, [_row(name, several) for name, several in found.items()])


def _row(name: str, several: list[Shared]) -> tuple[str, ...]:
    def middle(figure: str) -> float:
        return float(median(getattr(one, figure) for one in several))

    return (
        name,
        f"{middle('join_us'):.0f} µs",
        f"{middle('joins_a_second'):,.0f}",
        f"{middle('tick_ms'):.0f} ms",
        f"{middle('busiest_tick_ms'):.0f} ms",
        f"{middle('last_ms'):.0f} ms",
        f"{middle('most_viewers'):.0%}",
    )
