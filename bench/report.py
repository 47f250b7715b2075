"""Writes docs/performance.md from a run's results."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median

from bench.fanout import BURST, BURST_VIEWERS, Crowd
from bench.goals import goals
from bench.results import Results
from bench.servers import SERVERS

LEARNED = Path(__file__).with_name("learned.md")


def write(found: Results, *, has_plots: bool) -> str:
    """The whole page."""
    sections = [
        _head(found),
        _goals(found),
        _fan_out(found),
        _plots(has_plots),
        _raw(found),
        _crowds(found),
        _lateness(found),
        _ways(found),
        LEARNED.read_text().strip() if LEARNED.exists() else "",
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _head(found: Results) -> str:
    quick = " A quick run: fewer rounds, shorter ones." if found.is_quick else ""
    machine = "; ".join(f"{name}: {value}" for name, value in found.machine.items())
    left_out = "\n".join(f"- `{name}` is left out: {reason}." for name, reason in sorted(found.left_out.items()))
    return f"""# Performance

What it costs to tell every viewer, and how late a viewer learns it, against a loop of `send()` in C and
against other servers. `make bench` writes this page (`QUICK=1`: in two minutes); it was last written on
{found.taken_on}.{quick}

{machine}. The server under test is alone on one core; the load (`bench/load.c`, one thread), the bus and
the publisher share the other. All servers deliver the same 122-byte frames to the same viewers over
loopback, in turn, in the same run; the figures are medians over the rounds. Absolute figures hold for this
machine; ratios travel better. Processor time is what the kernel charged the server's process, its part of
the loopback's work in the kernel included. The load checks that every viewer got every frame, once and in
rising `seq`: a run in which one did not is no result.

{left_out}""".strip()


def _goals(found: Results) -> str:
    rows = [
        (goal.figure, goal.asked, goal.measured, "yes" if goal.is_reached else "**no**") for goal in goals(found)
    ]
    return "## Goals\n\n" + _table(("figure", "goal", "measured", "reached"), rows) if rows else ""


def _fan_out(found: Results) -> str:
    limit = found.crowd("limit", 1000)
    if limit is None:
        return ""
    rows = []
    for server in SERVERS:
        crowd, large = found.crowd(server.name, 1000), found.crowd(server.name, 10_000)
        if crowd is None:
            continue
        name = f"**{server.label}**" if server.is_ours else server.label
        rows.append(
            (
                name,
                f"{crowd.steady.cpu_us_a_frame / limit.steady.cpu_us_a_frame:.2f}",
                f"{_burst(crowd) / 1e6:.2f} M",
                f"{crowd.steady.p99_ms:.1f} ms",
                _kilobytes(crowd),
                _kilobytes(large),
                f"{large.join_seconds:.1f} s" if large else "-",
            )
        )
    heading = (
        "server",
        "CPU a frame, C loop = 1",
        f"burst of {BURST}, frames/s",
        "p99 latency",
        "memory a viewer",
        "at 10,000",
        "10,000 join",
    )
    return (
        "## Fan-out: 1,000 viewers, 20 messages a second\n\n"
        + _table(heading, rows)
        + "\n\nThe coordinator's joins include `hello` and the replay of the room's history, its memory the"
        " history, limits, heartbeats and metrics; the others' are bare handshakes and bare sockets. In a"
        f" burst, {BURST} messages are published at once to {BURST_VIEWERS:,} viewers; the time runs from the"
        " first frame received to the last."
    )


def _plots(has_plots: bool) -> str:
    if not has_plots:
        return ""
    return """![CPU a frame by viewers](performance-cpu.png)

![The distribution of latency](performance-latency.png)

![Memory by viewers](performance-memory.png)"""


def _raw(found: Results) -> str:
    rows = []
    for viewers, crowds in sorted(found.crowds.items()):
        for crowd in crowds:
            steady = crowd.steady
            rows.append(
                (
                    f"{viewers:,}",
                    crowd.server,
                    f"{steady.per_second:g}",
                    f"{steady.frames:,}",
                    f"{steady.cpu_us_a_frame:.2f}",
                    f"{steady.p50_ms:.1f} / {steady.p99_ms:.1f} / {steady.worst_ms:.1f}",
                    f"{crowd.bytes_a_viewer:,.0f}",
                    f"{crowd.join_seconds:.2f}",
                    f"{_burst(crowd):,.0f}" if crowd.bursts else "-",
                    f"{steady.load_busy:.0%}" + (f" / {_burst_load(crowd):.0%}" if crowd.bursts else ""),
                )
            )
    heading = (
        "viewers",
        "server",
        "messages/s",
        "frames",
        "CPU µs a frame",
        "latency ms p50 / p99 / worst",
        "bytes a viewer",
        "join s",
        "burst frames/s",
        "load's core busy, steady / burst",
    )
    return (
        "## Raw figures\n\n"
        + _table(heading, rows)
        + "\n\nA load that is busy all the time may have been the limit itself: the figure is then the"
        " least that the server does."
    )


def _crowds(found: Results) -> str:
    lines = []
    for joins in found.joins:
        lines.append(
            f"- {joins.viewers:,} viewers join at once: all have their `hello` and replay after {joins.seconds:.2f} s;"
            f" {joins.stayed} who were there get {joins.stayed_frames:,} frames meanwhile, p99 {joins.stayed_p99_ms:.1f} ms,"
            f" worst {joins.stayed_worst_ms:.1f} ms."
        )
    for idle in found.idle:
        lines.append(
            f"- {idle.viewers:,} idle viewers for {idle.seconds:.0f} s, heartbeats on: {idle.core_share:.2%} of a core,"
            f" {idle.bytes_a_viewer:,.0f} bytes a viewer."
        )
    for pings in found.pings:
        lines.append(
            f"- {pings.viewers:,} viewers ping, {pings.pings_a_second:,.0f} a second in all: {pings.cpu_us_a_ping:.1f} µs"
            f" a ping and its pong, {pings.bytes_a_viewer:,.0f} bytes a viewer."
        )
    for ticks in found.ticks:
        lines.append(
            f"- Real ticks to {ticks.viewers:,} viewers, from due to received: p50 {ticks.p50_ms:.1f} ms,"
            f" p99 {ticks.p99_ms:.1f} ms, worst {ticks.worst_ms:.1f} ms over {ticks.frames:,} frames."
        )
    rooms = _table(
        ("rooms", "viewers a room", "messages/s", "frames", "CPU µs a frame", "p99 ms"),
        [
            (
                f"{rooms.rooms:,}",
                f"{rooms.viewers // rooms.rooms:,}",
                f"{rooms.steady.per_second:g}",
                f"{rooms.steady.frames:,}",
                f"{rooms.steady.cpu_us_a_frame:.2f}",
                f"{rooms.steady.p99_ms:.1f}",
            )
            for rooms in found.rooms
        ],
    )
    return "## The coordinator with ten thousand viewers\n\n" + "\n".join(lines) + ("\n\n" + rooms if found.rooms else "")


def _lateness(found: Results) -> str:
    if not found.lateness:
        return ""
    rows = [
        (
            f"{late.rooms:,}" + ("" if late.rooms == 1 else ", spread" if late.spread else ", one instant"),
            str(late.schedulers),
            "each append" if late.sync_always else "default",
            f"{late.emitted_p50_ms:.0f} / {late.emitted_p99_ms:.0f} / {late.emitted_worst_ms:.0f}",
            f"{late.stored_p50_ms:.1f} / {late.stored_p99_ms:.1f} / {late.stored_worst_ms:.1f}",
        )
        for late in found.lateness
    ]
    return (
        "## Ticks after their due time, in milliseconds\n\n"
        + _table(
            ("rooms", "schedulers", "sync", "emitted p50 / p99 / worst", "stored p50 / p99 / worst"),
            rows,
        )
        + "\n\nEleven ticks a room, a second apart; stored is the stream's own time stamp. Here the bus and the"
        " schedulers share both cores."
    )


def _ways(found: Results) -> str:
    names = {"straight": "straight to the coordinator", "tls": "TLS in the coordinator", "caddy": "through Caddy"}
    rows = [
        (
            names[way.name],
            f"{way.coordinator_us_a_frame:.1f}",
            f"{way.edge_us_a_frame:.1f}" if way.edge_us_a_frame else "-",
            f"{way.coordinator_bytes_a_viewer / 1000:.1f} KB",
            f"{way.edge_bytes_a_viewer / 1000:.1f} KB" if way.edge_us_a_frame else "-",
            f"{way.join_seconds:.2f} s",
            f"{way.steady.p99_ms:.1f} ms",
        )
        for way in found.ways
    ]
    heading = (
        "way",
        "coordinator µs a frame",
        "edge µs a frame",
        "coordinator a viewer",
        "edge a viewer",
        "1,000 join",
        "p99",
    )
    return "## The way there\n\n" + _table(heading, rows) if rows else ""


def _burst(crowd: Crowd) -> float:
    return median(burst.frames_a_second for burst in crowd.bursts) if crowd.bursts else 0.0


def _burst_load(crowd: Crowd) -> float:
    return min(1.0, median(burst.load_busy for burst in crowd.bursts))


def _kilobytes(crowd: Crowd | None) -> str:
    if crowd is None or crowd.server == "limit":
        return "-"
    return f"{crowd.bytes_a_viewer / 1000:.1f} KB"


def _table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
