"""As many viewers in one room as this machine carries: what each size costs, and what bounds it.

All coordinators have one core together; the loads, the bus and the scheduler have the other. A
process may have only so many files: where that is too few for one coordinator, workers on the same
core share the viewers, who come from several addresses of the loopback.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median

import msgspec
from aiohttp import ClientError, ClientSession
from nats.aio.client import Client

from bench.bus import connected, nats_server
from bench.crowds import answering, scheduler
from bench.fanout import admitted
from bench.load import Incomplete, load
from bench.loads import Loads, loads
from bench.machine import LOAD_CORE, cpu_seconds, kernel_bytes, resident_bytes
from bench.markdown import table
from bench.programs import Program
from bench.servers import TMINUS, serving
from support.ports import free_port

SIZES = (10_000, 25_000, 50_000, 75_000, 100_000)
OPTIONS = ("--hello", "--stamp-ms", '"due":')
SPARE_FILES = 64
MAX_CONNECTIONS = 2048
MOST_JOINING = 2000
"""Viewers on their way in at once: fewer than a coordinator's connections, so that all get in."""
EVEN = 0.8
"""How much of what it may have a worker gets on average: some get more than others."""
WARMING_VIEWERS = 200
TICKS = 4
IDLE_PING_MS, COUNTING_PING_MS = 7000, 39_000
"""From ping to ping of a page, on average: while nothing happens, and while a run counts."""
JOIN_SECONDS = 120.0
TICK_SECONDS = 30.0
QUIET_SECONDS = 0.05
"""From when the processor time of a tick is counted until the tick is due."""
SHARE_SECONDS = 6.0
COUNTING_SECONDS = 8.0
BYTES_A_VIEWER = 24 * 1024
"""Of both ends of a connection, with what a tick to all takes in buffers."""


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """What so many viewers cost, and when they have a tick."""

    viewers: int
    processes: int
    joins_a_second: float
    """While the crowd grew to this size."""
    join_us: float
    """Processor time, with the heartbeats of those who were there before."""
    load_busy: float
    """The loads' share of a core meanwhile: near 1, it is they who bound the joins."""
    bytes_a_viewer: float
    kernel_bytes_a_viewer: float
    """Of one end of a connection."""
    first_ms: float
    """From when a tick is due until the first viewer has it, as the following."""
    median_ms: float
    p99_ms: float
    last_ms: float
    tick_ms: float
    """Processor time of all processes."""
    idle_share: float
    """Of a core: the pings by need of pages to which nothing happens."""
    counting_share: float
    """Of a core: a tick a second, and the pings by need of pages that count."""
    counting_last_ms: float
    """The latest of those ticks at its last viewer."""


class Stage:
    """A running stack, and its crowd."""

    def __init__(self, program: Program, client: Client, crowd: Loads) -> None:
        self._pid = program.pid
        self._client = client
        self._crowd = crowd
        self.viewers = 0
        self._resident, self._kernel = resident_bytes(program.pid), kernel_bytes()

    async def grow(self, viewers: int, processes: int) -> Size:
        """Let the crowd grow to so many, and measure it.

        Raises Incomplete if not all are served, or do not get a tick, in time.
        """
        more, self.viewers = viewers - self.viewers, viewers
        before = cpu_seconds(self._pid)
        joined = await self._crowd.join(more, seconds=JOIN_SECONDS)
        joining = cpu_seconds(self._pid) - before
        await asyncio.sleep(2)
        memory = resident_bytes(self._pid) - self._resident
        kernel = kernel_bytes() - self._kernel
        await self._crowd.pings(IDLE_PING_MS)
        await asyncio.sleep(1)
        idle_share = await self._share(SHARE_SECONDS)
        await self._crowd.pings(0)
        ticks = await self._ticks()
        counting_share, counting_last_ms = await self._counting()
        first_ms, median_ms, p99_ms, last_ms, tick_ms = map(median, zip(*ticks, strict=True))
        return Size(
            viewers=viewers,
            processes=processes,
            joins_a_second=more / joined.seconds,
            join_us=joining / more * 1e6,
            load_busy=joined.cpu_seconds / joined.seconds,
            bytes_a_viewer=memory / viewers,
            kernel_bytes_a_viewer=kernel / viewers / 2,
            first_ms=first_ms,
            median_ms=median_ms,
            p99_ms=p99_ms,
            last_ms=last_ms,
            tick_ms=tick_ms,
            idle_share=idle_share,
            counting_share=counting_share,
            counting_last_ms=counting_last_ms,
        )

    async def _ticks(self) -> list[tuple[float, float, float, float, float]]:
        """Of each tick: when the first, the median, 99 % and the last had it; processor time."""
        interval = 1 + self.viewers * 30e-6  # the one before has been delivered
        await self._crowd.reset()
        starts_at = await self._start(TICKS, interval)
        await self._crowd.expect(2, seconds=TICK_SECONDS)  # `started`, and its first tick
        ticks = []
        for number in range(1, TICKS + 1):
            await asyncio.sleep(starts_at + number * interval - QUIET_SECONDS - time.time())
            await self._crowd.reset()
            before = cpu_seconds(self._pid)
            report = await self._crowd.expect(1, seconds=TICK_SECONDS)
            used = cpu_seconds(self._pid) - before
            late = (report.late(0), report.late(50), report.late(99), report.worst_ms)
            ticks.append((*late, used * 1e3))
        return ticks

    async def _counting(self) -> tuple[float, float]:
        """A core's share with pings and a tick a second; the latest tick at its last viewer."""
        await self._crowd.pings(COUNTING_PING_MS)
        await self._start(int(COUNTING_SECONDS) + 5, 1)
        await asyncio.sleep(3)
        await self._crowd.reset()
        share = await self._share(COUNTING_SECONDS)
        last_ms = (await self._crowd.report()).worst_ms
        await self._crowd.pings(0)
        await self._client.request("scheduler.cancel", b"{}", timeout=5)
        await asyncio.sleep(2 + last_ms / 1000)
        return share, last_ms

    async def _share(self, seconds: float) -> float:
        before = cpu_seconds(self._pid)
        await asyncio.sleep(seconds)
        return (cpu_seconds(self._pid) - before) / seconds

    async def _start(self, from_: int, interval_seconds: float) -> float:
        """Start a run; gives the time of its first tick, in seconds."""
        terms = {"from": from_, "interval_ms": round(interval_seconds * 1000)}
        answer = await self._client.request(
            "scheduler.start", msgspec.json.encode(terms), timeout=5
        )
        return float(msgspec.json.decode(answer.data)["starts_at"]) / 1000


@asynccontextmanager
async def stage(processes: int, crowds: int) -> AsyncIterator[Stage]:
    """Run coordinators on one core, and as many loads as their viewers' files need."""
    metrics_port = free_port()
    settings = {
        "WORKERS": f"{processes}",
        "METRICS_PORT": f"{metrics_port}",
        "MAX_CONNECTIONS": f"{MAX_CONNECTIONS}",
        "MAX_VIEWERS": "0",
    }
    async with (
        nats_server() as bus,
        scheduler(bus.url, "scheduler-1", LOAD_CORE),
        serving(TMINUS, bus, **settings) as (program, port),
        connected(bus) as client,
    ):
        await answering(client)
        await admitted(port, OPTIONS)
        await _ready(metrics_port, processes)
        async with load(port, OPTIONS) as few:
            await few.join(WARMING_VIEWERS * processes)
        options = (*OPTIONS, "--most-joining", f"{MOST_JOINING // crowds}")
        async with loads(crowds, port, options) as crowd:
            yield Stage(program, client, crowd)


async def _ready(metrics_port: int, processes: int) -> None:
    """Wait until every worker takes viewers."""
    words = f"tminus_workers_ready {processes}.0" if processes > 1 else "tminus_viewers_limit"
    async with asyncio.timeout(30), ClientSession() as session:
        while True:
            try:
                async with session.get(f"http://127.0.0.1:{metrics_port}/metrics") as answer:
                    if words in await answer.text():
                        return
            except ClientError:
                pass
            await asyncio.sleep(0.2)


async def measure(files: int, sizes: Sequence[int] = SIZES) -> str:
    """Let the crowd grow until the machine does not carry it; gives the table, and what bounds it.

    `files` is how many a process may have.
    """
    allowed = files - SPARE_FILES - min(MAX_CONNECTIONS, files // 4)
    processes = 1 if allowed >= sizes[-1] else math.ceil(sizes[-1] / (allowed * EVEN))
    crowds = math.ceil(sizes[-1] / (files - SPARE_FILES))
    bound = ""
    if processes > 1:
        bound = (
            f"A process may have {files:,} files here, and raising that takes CAP_SYS_RESOURCE: "
            f"one coordinator has {allowed:,} viewers at most, so {processes} share more of them."
        )
        print(bound, flush=True)
    found: list[Size] = []
    plans = [(1, sizes[:1])] if processes > 1 and sizes[0] <= allowed else []
    for count, these in (*plans, (processes, sizes)):
        async with stage(count, crowds) as one:
            for viewers in these:
                lacking = lacks(viewers - one.viewers)
                try:
                    if lacking:
                        raise Incomplete(lacking)
                    found.append(await one.grow(viewers, count))
                except (Incomplete, TimeoutError) as error:
                    bound += f"\n\n{viewers:,} are not carried: {error or 'not in time'}."
                    break
                print(found[-1], flush=True)
    return f"{table(HEADING, map(_row, found))}\n\n{bound}".strip()


def lacks(more: int) -> str:
    """What the machine lacks for so many viewers more; nothing if it does not."""
    memory = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    available = int(memory["MemAvailable"].split()[0]) * 1024
    if available < more * BYTES_A_VIEWER:
        return f"{available / 1e9:.1f} GB of memory are left"
    tracked = Path("/proc/sys/net/netfilter")
    if (tracked / "nf_conntrack_max").exists():
        most, count = (
            int((tracked / name).read_text()) for name in ("nf_conntrack_max", "nf_conntrack_count")
        )
        if most - count < more:
            return f"a packet filter tracks connections, {most:,} at most (nf_conntrack_max)"
    return ""


HEADING = (
    "viewers",
    "processes",
    "joins/s",
    "CPU a join",
    "memory a viewer: process, kernel",
    "a tick after it is due: first, median, p99, last",
    "CPU a tick",
    "a frame",
    "a core's share: idle, counting",
    "last tick then",
)


def _row(size: Size) -> tuple[str, ...]:
    times = (size.first_ms, size.median_ms, size.p99_ms, size.last_ms)
    return (
        f"{size.viewers:,}",
        f"{size.processes}",
        f"{size.joins_a_second:,.0f}",
        f"{size.join_us:.0f} µs",
        f"{size.bytes_a_viewer / 1000:.1f} KB, {size.kernel_bytes_a_viewer / 1000:.1f} KB",
        f"{', '.join(f'{ms:,.0f}' for ms in times)} ms",
        f"{size.tick_ms:,.0f} ms",
        f"{size.tick_ms * 1e3 / size.viewers:.1f} µs",
        f"{size.idle_share:.0%}, {size.counting_share:.0%}",
        f"{size.counting_last_ms:,.0f} ms",
    )
