"""The parts of the benchmark: what each measures, and how often."""

import os
import statistics
from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

import msgspec

from bench import crowds, delivery, divided, edges, fanout, lateness, watched
from bench.fanout import Crowd
from bench.load import Incomplete
from bench.results import Results
from bench.servers import SERVERS
from bench.versions import Version, versions
from bench.watched import Watched

T = TypeVar("T")
S = TypeVar("S", bound=msgspec.Struct)

DISTURBED = 0.3
"""A round in which others had more of the server's core than this is done again."""
NAMED = [name for name in os.environ.get("SERVERS", "").split(",") if name]
IN_EVERY_ROUND = {"limit", "tminus", "bun", "node"}
"""Those of the goals; with 100 and with 10,000 viewers the others have one round."""
COMPARED = [server for server in SERVERS if server.name in NAMED] or SERVERS


def say(text: str) -> None:
    """A line of progress."""
    print(f"{datetime.now(UTC):%H:%M:%S} {text}", flush=True)


async def fan_out(found: Results, quick: bool) -> None:
    """The crowd by which servers are compared: 1,000 viewers."""
    rounds, seconds, bursts = (1, 2, 1) if quick else (3, 5, 2)
    await compare(found, 1000, rounds=rounds, seconds=seconds, bursts=bursts)


async def growth(found: Results, quick: bool) -> None:
    """A tenth of that crowd, and ten times as many."""
    if not quick:
        once = {server.name for server in SERVERS} - IN_EVERY_ROUND
        await compare(found, 100, rounds=2, bursts=0, once=once)
        await compare(found, 10_000, rounds=2, bursts=0, once=once)


async def compare(
    found: Results,
    viewers: int,
    *,
    rounds: int,
    seconds: int = 5,
    bursts: int,
    once: Collection[str] = (),
) -> None:
    """Every server in turn, and all several times, so that a slow minute hits none alone.

    Those that are not named keep their figures.
    """
    by_server: dict[str, list[Crowd]] = {}
    for turn in range(rounds):
        for server in COMPARED:
            if server.name in found.left_out or (turn > 0 and server.name in once):
                continue
            what = f"{server.name} with {viewers:,} viewers"
            if turn == 0:
                found.failed.pop(what, None)
            say(f"{viewers} viewers, round {turn + 1}: {server.name}")
            measure = partial(fanout.measure, server, viewers, seconds=seconds, bursts=bursts)
            try:
                crowd = await undisturbed(measure, attempts=1 if rounds == 1 else 2)
            except (Incomplete, TimeoutError, RuntimeError) as error:
                found.failed[what] = str(error)
                say(f"  failed: {error}")
                continue
            by_server.setdefault(server.name, []).append(crowd)
    names = {server.name for server in COMPARED}
    kept = [crowd for crowd in found.crowds.get(viewers, []) if crowd.server not in names]
    found.crowds[viewers] = [*kept, *map(fanout.middle, by_server.values())]


async def undisturbed(measure: Callable[[], Awaitable[Crowd]], attempts: int) -> Crowd:
    """Measure again while other programs take much of the server's core; at last take what is."""
    crowd = await measure()
    for _ in range(attempts - 1):
        others = crowd.steady.server_core_busy_with_others
        if others < DISTURBED:
            break
        say(f"  others took {others:.0%} of its core: again")
        crowd = await measure()
    return crowd


async def crowd(found: Results, quick: bool) -> None:
    """Joining, idling and pinging crowds of ten thousand."""
    found.joins = [await crowds.joins(10_000) for _ in range(1 if quick else 3)]
    found.idle = [await crowds.idle(10_000, seconds=10 if quick else 40)]
    found.pings = [await crowds.pings(10_000, seconds=3 if quick else 10)]


async def rooms(found: Results, quick: bool) -> None:
    """The same number of viewers in more and more rooms."""
    counts = (1, 1000) if quick else (1, 100, 1000)
    rounds = [
        [await crowds.rooms(count, 10_000, seconds=3 if quick else 6) for count in counts]
        for _ in range(1 if quick else 5)
    ]
    found.rooms = [
        middle(measured, lambda rooms: rooms.steady.cpu_us_a_frame)
        for measured in zip(*rounds, strict=True)
    ]


async def ticks(found: Results, quick: bool) -> None:
    """A real scheduler's ticks, from due to received."""
    plans = [(1000, 20, 100)] if quick else [(1000, 100, 100), (10_000, 10, 1000)]
    found.ticks = []
    for viewers, from_, interval_ms in plans:
        rounds = [
            await crowds.ticks(viewers, from_=from_, interval_ms=interval_ms)
            for _ in range(1 if quick else 3)
        ]
        found.ticks.append(middle(rounds, lambda ticks: ticks.p99_ms))


def middle(rounds: Sequence[T], key: Callable[[T], float]) -> T:
    """The round with the median figure."""
    return sorted(rounds, key=key)[len(rounds) // 2]


async def late(found: Results, quick: bool) -> None:
    """Schedulers with one room and with a thousand."""
    plans = [
        (schedulers, count, spread, sync)
        for count, spread in ((1, True), (1000, True), (1000, False))
        for schedulers in (1, 3)
        for sync in (True, False)
        if not quick or (schedulers == 1 and sync and spread)
    ]
    found.lateness = []
    for schedulers, count, spread, sync in plans:
        say(
            f"{schedulers} schedulers, {count} rooms, "
            f"{'spread' if spread else 'one instant'}, sync {sync}"
        )
        found.lateness.append(
            await lateness.lateness(
                schedulers=schedulers, rooms=count, spread=spread, sync_always=sync
            )
        )


async def ways(found: Results, quick: bool) -> None:
    """What stands between the viewers and the coordinator."""
    found.ways = [
        await edges.measure(name, 1000, seconds=2 if quick else 5)
        for name in ("straight", "tls", "caddy")
        if name not in found.left_out
    ]


async def watch(found: Results, quick: bool) -> None:
    """Few rooms watched of many, by today's coordinator and by the one before."""
    seconds, scale = (3, 10) if quick else (5, 1)
    rounds = found.watched_rounds = 1 if quick else int(os.environ.get("ROUNDS", "3"))
    with versions(found.left_out) as tried:
        results = found.watched = {version.name: Watched() for version in tried}
        say("a large stream")
        large = partial(watched.large, rooms=100_000 // scale, watched=10, times=500 // scale)
        for name, started in (await large(tried, rounds=rounds)).items():
            results[name].large = watched.medians(started)
        ticking = partial(watched.following, ticks=3000, watched=30, seconds=seconds)
        for name, following in (await in_turn(found, tried, rounds, ticking)).items():
            results[name].following = following
        telling = partial(delivery.sent, seconds=2 * seconds)
        for name, sent in (await in_turn(found, tried, rounds, telling)).items():
            results[name].sent = sent
        dividing = partial(divided.divided, rooms=4000 // scale, seconds=seconds)
        for name, shares in (await in_turn(found, tried, rounds, dividing)).items():
            results[name].divided = shares
        in_c = [
            await divided.quarter_in_c(tried[0], 4000 // scale, seconds=seconds)
            for _ in range(rounds)
        ]
        results["now"].quarter_in_c = statistics.median(in_c)
        say(f"a quarter of them by a loop in C: {in_c}")
        found.watched_on = datetime.now(UTC).strftime("%Y-%m-%d")
        say("rooms whose viewers leave")
        for name, left in (await watched.left(tried, rooms=2000 // scale)).items():
            results[name].left = left


async def in_turn(
    found: Results,
    tried: Sequence[Version],
    rounds: int,
    measure: partial[Coroutine[Any, Any, S]],
) -> dict[str, S]:
    """Measure the versions in turn, several times; gives the medians of each."""
    measured: dict[str, list[S]] = {}
    for turn in range(rounds):
        for version in tried if turn % 2 == 0 else reversed(tried):
            try:
                one = await measure(version)
            except (Incomplete, TimeoutError, RuntimeError) as error:
                what = f"{measure.func.__name__}, {version.name}, round {turn + 1}"
                found.failed[what] = str(error)
                say(f"  failed: {error}")
                continue
            measured.setdefault(version.name, []).append(one)
            say(f"round {turn + 1}, {version.name}: {one}")
    return {name: watched.medians(several) for name, several in measured.items()}


PARTS: dict[str, Callable[[Results, bool], Awaitable[None]]] = {
    "fanout": fan_out,
    "growth": growth,
    "crowd": crowd,
    "rooms": rooms,
    "ticks": ticks,
    "late": late,
    "ways": ways,
    "watched": watch,
}


NEEDS_PEERS = {"fanout", "growth", "ways"}
