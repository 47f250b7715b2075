"""What the coordinator and the schedulers have to reach, and whether a run reached it."""

from collections.abc import Iterator
from statistics import median

import msgspec

from bench.fanout import Crowd
from bench.lateness import Lateness
from bench.results import Results
from bench.watched import Watched


class Goal(msgspec.Struct, frozen=True):
    """One figure, what is asked of it, and what it was."""

    figure: str
    asked: str
    measured: str
    is_reached: bool


CPU_RATIOS = {
    "limit": 1.3,
    "bun": 1.1,
    "node": 0.75,
    "nats": 0.6,
    "centrifuge": 0.55,
    "workerd": 0.35,
}
NOISE = 1.05
"""By so much two medians of the same may differ."""
QUARTER = 0.3
"""A quarter, and a twentieth for what each does whatever its rooms."""
ALIKE = 1.1
"""The same, and a tenth for the others on the same core."""
BURST_RATIOS = {"bun": 2.0, "nats": 3.0, "node": 40.0}


def goals(found: Results) -> list[Goal]:
    """Every goal that the run has the figures for."""
    return [
        *_fan_out(found),
        *_crowds(found),
        *_latency(found),
        *_lateness(found),
        *(goal for goal, _ in watched(found)),
    ]


def _fan_out(found: Results) -> Iterator[Goal]:
    ours = found.crowd("tminus", 1000)
    if ours is None:
        return
    for name, most in CPU_RATIOS.items():
        if peer := found.crowd(name, 1000):
            ratio = ours.steady.cpu_us_a_frame / peer.steady.cpu_us_a_frame
            yield Goal(
                f"CPU a frame, 1,000 viewers, against {_called(name)}",
                f"≤ {most:g}",
                f"{ratio:.2f}",
                ratio <= most,
            )
    burst = _burst(ours)
    yield Goal("burst, frames a second", "≥ 3 M", f"{burst / 1e6:.1f} M", burst >= 3e6)
    for name, least in BURST_RATIOS.items():
        if peer := found.crowd(name, 1000):
            ratio = burst / _burst(peer)
            yield Goal(
                f"burst against {_called(name)}", f"≥ {least:g}", f"{ratio:.1f}", ratio >= least
            )


def _crowds(found: Results) -> Iterator[Goal]:
    if large := found.crowd("tminus", 10_000):
        size = large.bytes_a_viewer / 1000
        yield Goal("memory a viewer, 10,000", "≤ 2.5 KB", f"{size:.1f} KB", size <= 2.5)
    for pings in found.pings:
        size = pings.bytes_a_viewer / 1000
        yield Goal("memory a viewer that pings, 10,000", "≤ 3 KB", f"{size:.1f} KB", size <= 3)
    if found.joins:
        seconds = median(joins.seconds for joins in found.joins)
        worst = median(joins.stayed_worst_ms for joins in found.joins)
        yield Goal(
            "10,000 join, with `hello` and replay", "≤ 4 s", f"{seconds:.1f} s", seconds <= 4
        )
        if (node := found.crowd("node", 10_000)) and large:
            ratio = large.join_seconds / node.join_seconds
            yield Goal("joins against Node `ws`, bare", "≤ 1", f"{ratio:.2f}", ratio <= 1)
        yield Goal(
            "worst tick of those who stayed, meanwhile", "≤ 50 ms", f"{worst:.0f} ms", worst <= 50
        )
    rooms = {rooms.rooms: rooms.steady.cpu_us_a_frame for rooms in found.rooms}
    if {1, 1000} <= rooms.keys():
        ratio = rooms[1000] / rooms[1]
        yield Goal(
            "CPU a frame, 1,000 rooms of 10 against one of 10,000",
            "≤ 2",
            f"{ratio:.2f}",
            ratio <= 2,
        )
    for idle in found.idle:
        yield Goal(
            "10,000 idle viewers",
            "< 3 % of a core",
            f"{idle.core_share:.1%}",
            idle.core_share < 0.03,
        )


def _latency(found: Results) -> Iterator[Goal]:
    for ticks in found.ticks:
        figure = f"due to received, p99, {ticks.viewers:,} viewers"
        if ticks.viewers == 1000:
            yield Goal(figure, "≤ 15 ms", f"{ticks.p99_ms:.1f} ms", ticks.p99_ms <= 15)
        elif limit := found.crowd("limit", ticks.viewers):
            most = 1.5 * limit.steady.cpu_us_a_frame * ticks.viewers / 1000
            yield Goal(
                figure,
                f"≤ 1.5 C loops: {most:.0f} ms",
                f"{ticks.p99_ms:.0f} ms",
                ticks.p99_ms <= most,
            )


def _lateness(found: Results) -> Iterator[Goal]:
    for late in found.lateness:
        who = f"{late.schedulers} scheduler{'s' if late.schedulers > 1 else ''}, {_synced(late)}"
        if late.rooms == 1:
            yield _late(f"one room, {who}: emitted p99", 2, late.emitted_p99_ms)
            yield _late(f"one room, {who}: stored p99", 5, late.stored_p99_ms)
        elif late.spread:
            yield _late(f"{late.rooms:,} rooms spread, {who}: emitted p99", 10, late.emitted_p99_ms)
            yield _late(f"{late.rooms:,} rooms spread, {who}: stored p99", 25, late.stored_p99_ms)
        else:
            most = 500 if late.sync_always else 150
            yield _late(
                f"{late.rooms:,} rooms in one instant, {who}: all stored",
                most,
                late.all_stored_ms,
            )


def watched(found: Results) -> Iterator[tuple[Goal, str]]:
    """What following only the watched rooms has to bring, each with the figure before."""
    now, before = found.watched.get("now", Watched()), found.watched.get("before", Watched())
    if (large := now.large) is not None:
        at = before.large
        rooms = f"{large.rooms:,.0f} rooms, {large.watched:.0f} watched"
        yield (
            _at_most(f"{rooms}: memory of a coordinator", 60, large.resident_mb, "MB", 1),
            f"{at.resident_mb:.1f} MB" if at else "-",
        )
        yield (
            _at_most(f"{rooms}: from its start to ready", 1, large.ready_seconds, "s", 2),
            f"{at.ready_seconds:.2f} s" if at else "-",
        )
        yield (
            _at_most("first viewer of a room, connect to `hello`, p99", 10, large.cold_p99_ms),
            f"{at.cold_p99_ms:.1f} ms" if at else "-",
        )
        yield (
            _at_most("`coordinator.room`, nobody watches, p99", 5, large.asked_p99_ms),
            f"{at.asked_p99_ms:.1f} ms" if at else "-",
        )
    if (following := now.following) and (was := before.following):
        ratio = following.core_share / was.core_share
        yield (
            Goal(
                f"{following.ticks_a_second:,.0f} ticks a second, "
                f"{following.watched / following.ticks_a_second:.0%} of the rooms watched: CPU",
                "≤ 1/10 of before",
                f"{following.core_share:.1%} of a core, 1/{1 / ratio:.0f}",
                ratio <= 0.1,
            ),
            f"{was.core_share:.1%} of a core",
        )
    if (sent := now.sent) and (then := before.sent):
        for kind, ms, ms_before in (
            ("an event, p50", sent.event_p50_ms, then.event_p50_ms),
            ("an event, p99", sent.event_p99_ms, then.event_p99_ms),
            ("a message, p50", sent.message_p50_ms, then.message_p50_ms),
            ("a message, p99", sent.message_p99_ms, then.message_p99_ms),
        ):
            reached = ms <= NOISE * ms_before
            yield (
                Goal(f"one room, stored to sent, {kind}", "≤ before", f"{ms:.2f} ms", reached),
                f"{ms_before:.2f} ms",
            )
    if divided := now.divided:
        ratio, other = divided.each_share / divided.alone_share, before.divided
        yield (
            Goal(
                f"{divided.rooms:,.0f} watched rooms divided between four: each, if one's is 1",
                f"≤ {QUARTER:g}",
                f"{ratio:.2f}",
                ratio <= QUARTER,
            ),
            f"{other.each_share / other.alone_share:.2f}" if other else "-",
        )
        if divided.quarter_share:
            ratio = divided.each_share / divided.quarter_share
            were = other.quarter_share if other else None
            yield (
                Goal(
                    "the same: each, if one that has a quarter and is alone is 1",
                    f"≤ {ALIKE:g}",
                    f"{ratio:.2f}",
                    ratio <= ALIKE,
                ),
                f"{other.each_share / were:.2f}" if other and were else "-",
            )
    if left := now.left:
        kept, earlier = left.kept_mb / left.taken_mb, before.left
        yield (
            Goal(
                f"{left.rooms:,.0f} rooms a minute after their viewers left: memory kept",
                "≤ 10 %",
                f"{kept:.0%} of {left.taken_mb:.1f} MB",
                kept <= 0.1 and left.followed == 0,
            ),
            f"{earlier.kept_mb / earlier.taken_mb:.0%} of {earlier.taken_mb:.1f} MB"
            if earlier
            else "-",
        )
        if left.grown_mb is not None:
            grown = left.grown_mb / left.taken_mb
            were = earlier.grown_mb if earlier else None
            yield (
                Goal(
                    f"{left.rooms:,.0f} other rooms after them: growth of memory",
                    "≤ 10 %",
                    f"{grown:.0%}",
                    grown <= 0.1,
                ),
                f"{were / earlier.taken_mb:.0%}" if earlier and were is not None else "-",
            )


def _at_most(figure: str, most: float, measured: float, unit: str = "ms", digits: int = 1) -> Goal:
    return Goal(figure, f"≤ {most:g} {unit}", f"{measured:.{digits}f} {unit}", measured <= most)


def _late(figure: str, most: float, measured: float) -> Goal:
    return Goal(figure, f"≤ {most:g} ms", f"{measured:.1f} ms", measured <= most)


def _synced(late: Lateness) -> str:
    return "a sync per append" if late.sync_always else "no sync"


def _burst(crowd: Crowd) -> float:
    return median(burst.frames_a_second for burst in crowd.bursts)


def _called(name: str) -> str:
    return {
        "limit": "a C loop of `send()`",
        "bun": "Bun",
        "node": "Node `ws`",
        "nats": "nats-server",
        "centrifuge": "Centrifuge",
        "workerd": "workerd",
    }[name]
