"""Writes docs/performance.md from a run's results."""

from pathlib import Path
from statistics import median

from bench import watched_report
from bench.fanout import BURST, BURST_VIEWERS, Crowd
from bench.goals import goals
from bench.markdown import failures, item, prose, table, three
from bench.results import Results
from bench.servers import SERVERS

LEARNED = Path(__file__).with_name("learned.md")
DISTURBED = 0.15
"""The share of its core that others may take from a server before the page warns of it."""

INTRODUCTION = """
What it costs to send to every viewer, and how late frames arrive: the coordinator beside a loop
of `send()` in C and beside other servers. `make bench` measures all of it again and writes this
page; `make bench QUICK=1` does so in three minutes, with less of everything, and
`make bench SERVERS=bun,picows` measures those two again.
"""
METHOD = """
The server under test has one core to itself; the load (`bench/load.c`, one thread), the bus and
the publisher share the other. All servers deliver the same 122-byte frames to the same viewers
over loopback, in turn; figures are medians over the rounds. CPU time is what the kernel charged
to the server's process, including its share of the loopback's own work. The load generator
checks that every viewer gets every frame, once and in rising order; otherwise the round is
discarded. Peers are written as their own documentation advises, those in Python on uvloop, all
without compression. A round in which other programs took more than 30 % of the server's core is
repeated, once. Absolute figures hold for this machine; ratios transfer better.
"""
FAN_OUT = """
The coordinator's joins include `hello` and the replay of the room's history; its memory
includes the history, limits, heartbeats and metrics. The others' are bare handshakes and bare
sockets; where a viewer has to subscribe after its handshake, as with nats-server, Centrifuge,
python-socketio and Phoenix, that is not part of the join, and their own protocols put a few bytes
around each frame. A server that needs more than 50 µs a frame can't keep up with 20 messages a
second to 1,000 viewers: its latency is that of a growing queue. In a burst, {burst} messages are
published at once to {viewers:,} viewers, and the time runs from the first frame received to the
last.
"""
RAW = """
With 100 and with 10,000 viewers, servers that no goal names had one round instead of two.
A load generator that was busy all the time may have been the limit itself: the server then does at
least this.
"""
LATE = """
Eleven ticks a room, a second apart; `stored` is the stream's own time stamp. The last column is
the median, over the eleven numbers, of the time until it is stored for all rooms. Schedulers
and bus share both cores here.
"""
PLOTS = """
![CPU a frame by viewers](performance-cpu.png)

![The distribution of latency](performance-latency.png)

![Memory by viewers](performance-memory.png)
"""
PATHS = {
    "straight": "straight to the coordinator",
    "tls": "straight, TLS in the coordinator",
    "caddy": "through Caddy, the stack's edge",
}


def write(found: Results, *, has_plots: bool) -> str:
    """The whole page."""
    sections = [
        _head(found),
        _fan_out(found),
        PLOTS.strip() if has_plots else "",
        _crowds(found),
        _lateness(found),
        _paths(found),
        watched_report.section(found),
        LEARNED.read_text().strip() if LEARNED.exists() else "",
        _raw(found),
        _goals(found),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _head(found: Results) -> str:
    machine = "; ".join(f"{name} {value}" for name, value in found.machine.items())
    when = f"Measured on {found.taken_on}: {machine}."
    if found.is_quick:
        when += " A quick run."
    if found.is_pieced:
        when += " Its parts come from several runs, the last of each."
    if others := [
        crowd.steady.server_core_busy_with_others for crowd in found.crowds.get(1000, [])
    ]:
        share = f"{min(others):.0%} to {max(others):.0%}"
        when += (
            f" Other programs had {share} of the server's core in the rounds with 1,000 viewers."
        )
    if max(others, default=0) > DISTURBED:
        when += (
            " So this was a disturbed run: measure again on a quiet machine before you rely on it."
        )
    left_out = [f"Left out: `{name}`, {why}." for name, why in sorted(found.left_out.items())]
    paragraphs = [INTRODUCTION, METHOD, when, *left_out]
    return "\n\n".join(("# Performance", *map(prose, paragraphs), *failures(found)))


def _goals(found: Results) -> str:
    rows = [
        (goal.figure, goal.asked, goal.measured, "yes" if goal.is_reached else "**no**")
        for goal in goals(found)
    ]
    return "## Goals\n\n" + table(("figure", "goal", "measured", "reached"), rows) if rows else ""


def _fan_out(found: Results) -> str:
    limit = found.crowd("limit", 1000)
    if limit is None:
        return ""
    rows = []
    for server in SERVERS:
        crowd, large = found.crowd(server.name, 1000), found.crowd(server.name, 10_000)
        if crowd is None:
            continue
        rows.append(
            (
                f"**{server.label}**" if server.is_ours else server.label,
                f"{crowd.steady.cpu_us_a_frame / limit.steady.cpu_us_a_frame:.2f}",
                f"{_burst(crowd) / 1e6:.2f} M",
                f"{crowd.steady.p99_ms:.1f} ms",
                _memory(crowd),
                _memory(large),
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
    note = FAN_OUT.format(burst=BURST, viewers=BURST_VIEWERS)
    title = "## Fan-out: 1,000 viewers, 20 messages a second"
    return "\n\n".join((title, table(heading, rows), prose(note)))


def _crowds(found: Results) -> str:
    lines = [
        *(
            f"{joins.viewers:,} viewers join at once: all have `hello` and their replay after"
            f" {joins.seconds:.2f} s. Meanwhile {joins.stayed} connected viewers get"
            f" {joins.stayed_frames:,} frames, p99 after {joins.stayed_p99_ms:.1f} ms, the last"
            f" after {joins.stayed_worst_ms:.1f} ms."
            for joins in found.joins
        ),
        *(
            f"{idle.viewers:,} idle viewers for {idle.seconds:.0f} s, with heartbeats:"
            f" {idle.core_share:.2%} of a core, {idle.bytes_a_viewer:,.0f} bytes a viewer."
            for idle in found.idle
        ),
        *(
            f"{pings.viewers:,} viewers send the page's pings, {pings.pings_a_second:,.0f} a second"
            f" in all: {pings.cpu_us_a_ping:.1f} µs for a ping and its pong,"
            f" {pings.bytes_a_viewer:,.0f} bytes a viewer."
            for pings in found.pings
        ),
        *(
            f"Real ticks, from due to received by {ticks.viewers:,} viewers: p50"
            f" {ticks.p50_ms:.1f} ms, p99 {ticks.p99_ms:.1f} ms, worst {ticks.worst_ms:.1f} ms over"
            f" {ticks.frames:,} frames."
            for ticks in found.ticks
        ),
    ]
    parts = ["## The coordinator alone", "\n".join(item(line) for line in lines)]
    if found.rooms:
        parts.append(_rooms(found))
    return "\n\n".join(parts) if lines or found.rooms else ""


def _rooms(found: Results) -> str:
    heading = ("rooms", "viewers a room", "messages/s", "frames", "CPU µs a frame", "p99 ms")
    rows = [
        (
            f"{rooms.rooms:,}",
            f"{rooms.viewers // rooms.rooms:,}",
            f"{rooms.steady.per_second:g}",
            f"{rooms.steady.frames:,}",
            f"{rooms.steady.cpu_us_a_frame:.2f}",
            f"{rooms.steady.p99_ms:.1f}",
        )
        for rooms in found.rooms
    ]
    return table(heading, rows)


def _lateness(found: Results) -> str:
    if not found.lateness:
        return ""
    heading = (
        "rooms",
        "schedulers",
        "sync",
        "emitted p50 / p99 / worst",
        "stored p50 / p99 / worst",
        "all rooms stored",
    )
    rows = []
    for late in found.lateness:
        kind = "" if late.rooms == 1 else ", spread" if late.spread else ", one instant"
        rows.append(
            (
                f"{late.rooms:,}{kind}",
                str(late.schedulers),
                "each append" if late.sync_always else "default",
                three(late.emitted_p50_ms, late.emitted_p99_ms, late.emitted_worst_ms),
                three(late.stored_p50_ms, late.stored_p99_ms, late.stored_worst_ms),
                f"{late.all_stored_ms:.1f}" if not late.spread else "-",
            )
        )
    title = "## Ticks after their due time, in milliseconds"
    return "\n\n".join((title, table(heading, rows), prose(LATE)))


def _paths(found: Results) -> str:
    heading = (
        "1,000 viewers",
        "coordinator µs a frame",
        "edge µs a frame",
        "coordinator a viewer",
        "edge a viewer",
        "join",
        "p99",
    )
    rows = [
        (
            PATHS[way.name],
            f"{way.coordinator_us_a_frame:.1f}",
            f"{way.edge_us_a_frame:.1f}" if way.edge_us_a_frame else "-",
            f"{way.coordinator_bytes_a_viewer / 1000:.1f} KB",
            f"{way.edge_bytes_a_viewer / 1000:.1f} KB" if way.edge_us_a_frame else "-",
            f"{way.join_seconds:.2f} s",
            f"{way.steady.p99_ms:.1f} ms",
        )
        for way in found.ways
    ]
    return "## Network paths\n\n" + table(heading, rows) if rows else ""


def _raw(found: Results) -> str:
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
        "load busy, steady / burst",
    )
    rows = [_raw_row(crowd) for _, crowds in sorted(found.crowds.items()) for crowd in crowds]
    return "\n\n".join(("## Raw figures", table(heading, rows), prose(RAW))) if rows else ""


def _raw_row(crowd: Crowd) -> tuple[str, ...]:
    steady = crowd.steady
    load = f"{steady.load_busy:.0%}"
    if crowd.bursts:
        load += f" / {min(1.0, median(burst.load_busy for burst in crowd.bursts)):.0%}"
    return (
        f"{crowd.viewers:,}",
        crowd.server,
        f"{steady.per_second:g}",
        f"{steady.frames:,}",
        f"{steady.cpu_us_a_frame:.2f}",
        three(steady.p50_ms, steady.p99_ms, steady.worst_ms),
        # Less than nothing: it has cleared up meanwhile.
        f"{crowd.bytes_a_viewer:,.0f}"
        if crowd.server != "limit" and crowd.bytes_a_viewer > 0
        else "-",
        f"{crowd.join_seconds:.2f}",
        f"{_burst(crowd):,.0f}" if crowd.bursts else "-",
        load,
    )


def _burst(crowd: Crowd) -> float:
    return median(burst.frames_a_second for burst in crowd.bursts) if crowd.bursts else 0.0


def _memory(crowd: Crowd | None) -> str:
    if crowd is None or crowd.server == "limit":
        return "-"
    return f"{crowd.bytes_a_viewer / 1000:.1f} KB"
