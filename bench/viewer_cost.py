"""What a page costs: one that pinged each second, with its coordinator, and one of today."""

import asyncio
from statistics import median

import msgspec
from nats.aio.client import Client

from bench.bus import connected, nats_server
from bench.crowds import answering, scheduler
from bench.load import Load, load
from bench.machine import cpu_seconds
from bench.markdown import table
from bench.servers import TMINUS, serving
from bench.versions import Version, versions

BEFORE = "0e6c247"
"""The last commit whose pages pinged each second, and whose ticks repeated their run's terms."""


class Page(msgspec.Struct, frozen=True):
    """How a page behaves."""

    version: str
    options: tuple[str, ...]
    counting_ms: int
    """From ping to ping while a run counts."""
    idle_ms: int


PAGES = {
    "before: a ping a second": Page("before", (), counting_ms=1000, idle_ms=1000),
    "now: pings by need": Page(
        "now", ("--subprotocol", "v2.tminus"), counting_ms=29_900, idle_ms=7000
    ),
}
"""The pages by name: how one behaves that knows the time well, over a steady way. Today's leaves
out a random part, up to a quarter, of the gaps between its pings: 45 seconds while ticks are
signs of life, and eight in silence. So it pings each 39 seconds while a run counts; the eight
first pings of each that leaves and comes again are shared out among all here."""
RETURNING = 0.01
"""The part of the viewers that leaves and comes again each ten seconds."""
ELEVEN_SECONDS = 12
FIGURES = (
    ("counting_share", "a core's share while a run counts", "%", 100),
    ("idle_share", "a core's share while nothing happens", "%", 100),
    ("bytes_a_run", "bytes to a viewer for a run of eleven", "B", 1),
    ("idle_bytes_a_minute", "bytes both ways of an idle viewer, a minute", "B", 1),
)


class ViewerCost(msgspec.Struct, frozen=True, kw_only=True):
    """What a crowd of pages costs a coordinator and the network."""

    viewers: int
    counting_share: float
    """Of a core, while a run counts."""
    idle_share: float
    bytes_a_run: float
    """To one viewer, during a run of eleven."""
    idle_bytes_a_minute: float
    """Both ways, of one viewer, while nothing happens."""


async def cost(behaviour: Page, version: Version, *, viewers: int, seconds: float) -> ViewerCost:
    """Let a crowd of such pages watch a room that counts, then an idle one."""
    options = ("--hello", *behaviour.options, "--ping-every")
    counting_options = (*options, str(behaviour.counting_ms))
    returning = ("--return-every", str(int(10_000 / (viewers * RETURNING))))
    async with (
        nats_server() as bus,
        scheduler(bus.url, "scheduler-1"),
        serving(TMINUS, bus, **version.environment) as (program, port),
        connected(bus) as client,
    ):
        await answering(client)
        async with load(port, counting_options) as one:
            await one.join(1)
            bytes_a_run = await _bytes_of_a_run(one, client)
        async with load(port, (*counting_options, *returning)) as crowd:
            await crowd.join(viewers)
            await _start(client, int(seconds) + 10)
            await asyncio.sleep(3)
            counting = await _share(program.pid, seconds)
        async with load(port, (*options, str(behaviour.idle_ms))) as crowd:
            await client.request("scheduler.cancel", b"{}", timeout=5)
            await crowd.join(viewers)
            await asyncio.sleep(3)
            before = await crowd.reset()
            idle = await _share(program.pid, seconds)
            after = await crowd.report()
        assert before.served == after.served == viewers
        bytes_both_ways = (after.bytes + after.bytes_sent) / viewers
    return ViewerCost(
        viewers=viewers,
        counting_share=counting,
        idle_share=idle,
        bytes_a_run=bytes_a_run,
        idle_bytes_a_minute=bytes_both_ways / seconds * 60,
    )


async def _bytes_of_a_run(one: Load, client: Client) -> float:
    await one.reset()
    await _start(client, 10)
    await one.expect(12, seconds=ELEVEN_SECONDS)
    return (await one.report()).bytes


async def _share(pid: int, seconds: float) -> float:
    before = cpu_seconds(pid)
    await asyncio.sleep(seconds)
    return (cpu_seconds(pid) - before) / seconds


async def _start(client: Client, from_: int) -> None:
    terms = msgspec.json.encode({"from": from_})
    answer = await client.request("scheduler.start", terms, timeout=5)
    assert b'"code"' not in answer.data, answer.data


async def measure(rounds: int, viewers: int, seconds: float) -> str:
    """Both pages in turn, several times; gives the table of the medians and of their ratio."""
    found: dict[str, list[ViewerCost]] = {page: [] for page in PAGES}
    left_out: dict[str, str] = {}
    with versions(left_out, BEFORE) as tried:
        if left_out:
            raise SystemExit(left_out["before"])
        by_name = {version.name: version for version in tried}
        for turn in range(rounds):
            for name, page in PAGES.items() if turn % 2 == 0 else reversed(PAGES.items()):
                version = by_name[page.version]
                found[name].append(await cost(page, version, viewers=viewers, seconds=seconds))
                print(f"{name}: {found[name][-1]}", flush=True)
    rows = []
    for figure, words, unit, scale in FIGURES:
        first, second = (
            median(getattr(one, figure) for one in several) for several in found.values()
        )
        cells = [f"{value * scale:,.1f} {unit}" for value in (first, second)]
        rows.append((words, *cells, f"{second / first:.2f}"))
    return table((f"{viewers:,} viewers", *PAGES, "ratio"), rows)
