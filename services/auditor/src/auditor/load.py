"""Many viewers of one room, by the front door: `python -m auditor.load URL --viewers 1000`."""

import argparse
import asyncio
import json
import sys
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from statistics import quantiles

import aiohttp
from msgspec import Struct, field

from .canary.clock import ServerClock
from .canary.count import Terms, all_at_zero, all_open, cancel, failures, numbers, start
from .canary.page import CanaryError, Page, Target, opened
from .canary.viewer import Viewer
from .command import from_command

MEASURING = 16
"""How many of the viewers measure the server's time, so that each coordinator has some of them."""
OPEN_SECONDS = 20.0
"""How long the last viewers may take to connect."""
MOST_FAILURES = 10
"""How many are told; the rest are counted."""


class LoadReport(Struct):
    """What the viewers of one run got."""

    page: str
    room: str
    viewers: int
    connected: int = 0
    joining_seconds: float = 0.0
    """From the first dial to the last `hello`."""
    drops: int = 0
    """Connections lost; their viewers came back."""
    ticks: int = 0
    ticks_due: int = 0
    """As many as all the viewers were to get."""
    late_ms: dict[str, float] = field(default_factory=dict)
    """Received after due: `p50`, `p95`, `p99` and `worst`."""
    error_ms: float = 0.0
    """The most by which these are wrong, since the server's clock is only estimated."""
    busy: float = 0.0
    """How much of a core this program has used: above 0.7 or so it measures itself."""
    failures: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        return not self.failures

    def as_text(self) -> str:
        """For people."""
        lines = [
            f"{self.page}, room {self.room}",
            f"{self.connected} of {self.viewers} viewers connected",
            f"they took {self.joining_seconds:.1f} s, and lost {self.drops} connections",
            f"{self.ticks} of {self.ticks_due} ticks received",
        ]
        if self.late_ms:
            late = ", ".join(f"{name} {ms:.1f}" for name, ms in self.late_ms.items())
            lines.append(f"received after due, ms: {late}, give or take {self.error_ms:.1f}")
        lines.append(f"{self.busy:.0%} of a core used here")
        return "\n".join([*lines, *(f"FAILED: {failure}." for failure in self.failures)])


async def load(target: Target, viewers: int, rate: float, terms: Terms) -> LoadReport:
    """Let so many viewers connect, `rate` of them a second, and count one run in all of them."""
    report = LoadReport(str(target.page.with_query(None)), target.room, viewers)
    began, cpu = time.monotonic(), time.process_time()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        try:
            page = await opened(http, target)
            await _load(http, page, rate, terms, report)
        except CanaryError as error:
            report.failures.append(str(error))
    report.busy = (time.process_time() - cpu) / (time.monotonic() - began)
    return report


async def _load(
    http: aiohttp.ClientSession, page: Page, rate: float, terms: Terms, report: LoadReport
) -> None:
    clocks: dict[str, ServerClock] = {}
    viewers = [
        Viewer(http, page, number, clocks, is_measuring=number <= MEASURING)
        for number in range(1, report.viewers + 1)
    ]
    run = uuid.uuid4().hex
    async with asyncio.TaskGroup() as group:
        watching = []
        began = time.monotonic()
        try:
            for number, viewer in enumerate(viewers):
                await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
                watching.append(group.create_task(viewer.watch()))
            await all_open(viewers, OPEN_SECONDS)
            report.joining_seconds = time.monotonic() - began
            await start(http, page, terms, run)
            await all_at_zero(viewers, run, terms)
        except CanaryError as error:
            report.failures += _not_connected(viewers) or [str(error)]
        finally:
            if not all(0 in numbers(viewer, run) for viewer in viewers):
                await cancel(http, page, run)
            for task in watching:
                task.cancel()
    _sum_up(viewers, run, terms, clocks, report)


def _not_connected(viewers: Sequence[Viewer]) -> list[str]:
    """The most frequent reasons why viewers have not connected; empty if all have."""
    reasons = Counter(viewer.reason for viewer in viewers if not viewer.has_opened.is_set())
    return [
        f"{count} viewers can't connect to {reason}"
        for reason, count in reasons.most_common(MOST_FAILURES)
    ]


def _sum_up(
    viewers: Sequence[Viewer],
    run: str,
    terms: Terms,
    clocks: dict[str, ServerClock],
    report: LoadReport,
) -> None:
    report.connected = sum(viewer.has_opened.is_set() for viewer in viewers)
    report.drops = sum(max(0, viewer.drops - 1) for viewer in viewers)
    report.ticks_due = report.viewers * (terms.first + 1)
    report.ticks = sum(len(set(numbers(viewer, run))) for viewer in viewers)
    found: list[str] = []
    if report.ticks:
        for viewer in viewers:
            found += failures(viewer.name, numbers(viewer, run), terms)
    report.failures += found[:MOST_FAILURES]
    if len(found) > MOST_FAILURES:
        report.failures.append(f"and {len(found) - MOST_FAILURES} more of the kind")
    late = [
        clocks[seen.instance].time(seen.at) - seen.due
        for viewer in viewers
        for seen in viewer.ticks.get(run, [])
        if clocks[seen.instance].is_set
    ]
    if len(late) > 1:
        cuts = quantiles(late, n=100, method="inclusive")
        report.late_ms = {"p50": cuts[49], "p95": cuts[94], "p99": cuts[98], "worst": max(late)}
        report.error_ms = max(clock.error_ms for clock in clocks.values() if clock.is_set)


def main() -> int:
    """The program."""
    parser = argparse.ArgumentParser(
        prog="python -m auditor.load",
        description="Let many viewers watch one room of the site at URL, and count a run in all.",
        epilog="CONTROL_TOKEN is the token to start it with, if one is needed. Exit status: 0 if "
        "every viewer got every number once and in order, 1 if not, 2 if called wrongly.",
    )
    parser.add_argument("url", help="the site, or a room's page: http://localhost:8080")
    parser.add_argument("--room", default="", help="by default one whose name nobody guesses")
    parser.add_argument("--viewers", type=_count, default=1000, help="1000")
    parser.add_argument("--rate", type=_count, default=200, help="viewers that come a second; 200")
    parser.add_argument("--from", type=_count, default=20, dest="first", help="20")
    parser.add_argument("--interval-ms", type=_count, default=1000, help="between two ticks; 1000")
    parser.add_argument("--json", action="store_true", help="print an object instead of lines")
    given = parser.parse_args()
    target = from_command(parser, given.url, given.room)
    terms = Terms(given.interval_ms, first=given.first)
    report = asyncio.run(load(target, given.viewers, given.rate, terms))
    if given.json:
        print(json.dumps({"ok": report.is_good} | _fields(report)))
    else:
        print(report.as_text())
    return 0 if report.is_good else 1


def _fields(report: LoadReport) -> dict[str, object]:
    return {name: getattr(report, name) for name in LoadReport.__struct_fields__}


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 100_000:
        raise argparse.ArgumentTypeError("a number from 1 to 100000")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
