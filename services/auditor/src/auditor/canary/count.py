"""One run, from the page to the zero at two viewers: start it, watch it, say what is wrong."""

import asyncio
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress

import aiohttp
from msgspec import Struct

from .page import CanaryError, Page, Target, asked, opened
from .report import Report, View
from .viewer import Viewer

FROM = 10
VIEWERS = 2
OPEN_SECONDS = 10.0
"""How long the viewers may take to connect, and a start to be accepted."""
AGAIN_SECONDS = 0.5


class Terms(Struct, frozen=True):
    """How a run counts, and how many seconds after its zero a viewer may take to see it."""

    interval_ms: int = 300
    patience: float = 10.0
    first: int = FROM

    @property
    def seconds(self) -> float:
        """How long to wait for the end."""
        return self.first * self.interval_ms / 1000 + self.patience


async def count(target: Target, terms: Terms) -> Report:
    """Count once. It ends within the time that the run and `patience` take, and forty seconds."""
    report = Report(str(target.page.with_query(None)), target.room)
    async with aiohttp.ClientSession() as http:
        try:
            page = await opened(http, target)
            await _count(http, page, terms, report)
        except CanaryError as error:
            report.failures.append(str(error))
    return report


async def _count(http: aiohttp.ClientSession, page: Page, terms: Terms, report: Report) -> None:
    viewers = [Viewer(http, page, number) for number in range(1, VIEWERS + 1)]
    run = uuid.uuid4().hex
    async with asyncio.TaskGroup() as group:
        watching = [group.create_task(viewer.watch()) for viewer in viewers]
        is_over = False
        try:
            await all_open(viewers, OPEN_SECONDS)
            await start(http, page, terms, run)
            report.run = run
            report.failures += await _until_zero(viewers, run, terms)
            is_over = report.is_good
        except CanaryError as error:
            report.failures.append(str(error))
        finally:
            if not is_over:
                await cancel(http, page, run)
            for task in watching:
                task.cancel()
    report.views = [_view(viewer, run) for viewer in viewers]


async def all_open(viewers: Sequence[Viewer], seconds: float) -> None:
    """Wait until every viewer has its first `hello`. Raises CanaryError."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            for viewer in viewers:
                await viewer.has_opened.wait()
    for viewer in viewers:
        if not viewer.has_opened.is_set():
            raise CanaryError(f"{viewer.name} can't connect to {viewer.reason}")


async def start(http: aiohttp.ClientSession, page: Page, terms: Terms, run: str) -> None:
    """Start the run, asking again with the same id for as long as the outcome is unknown. Raises
    CanaryError."""
    body = {"from": terms.first, "interval_ms": terms.interval_ms, "run": run}
    deadline = time.monotonic() + OPEN_SECONDS
    while True:
        status, answer = await asked(http, "POST", page, body)
        if status == 201:
            return
        is_left_over = status == 409 and page.target.is_own  # of a run that could not be cancelled
        if is_left_over:
            await cancel(http, page)
        if not (is_left_over or status == 503) or time.monotonic() > deadline:
            detail = str(answer.get("detail") or answer.get("title") or "")
            raise CanaryError(
                f"the start was answered {status}" + (f": {detail}" if detail else "")
            )
        await asyncio.sleep(AGAIN_SECONDS)


async def cancel(http: aiohttp.ClientSession, page: Page, run: str | None = None) -> None:
    """Leave nothing under way; if that can't be done, the run ends by itself at zero."""
    with suppress(CanaryError):
        await asked(http, "DELETE", page, run=run)


async def _until_zero(viewers: Sequence[Viewer], run: str, terms: Terms) -> list[str]:
    """Wait until each viewer has zero; gives what is wrong with what they got."""
    await all_at_zero(viewers, run, terms)
    return [
        wrong for viewer in viewers for wrong in failures(viewer.name, numbers(viewer, run), terms)
    ]


async def all_at_zero(viewers: Sequence[Viewer], run: str, terms: Terms) -> None:
    """Wait until each viewer has zero, for as long as that may take."""
    with suppress(TimeoutError):
        async with asyncio.timeout(terms.seconds):
            for viewer in viewers:
                while 0 not in numbers(viewer, run):
                    viewer.news.clear()
                    await viewer.news.wait()


def failures(name: str, numbers: Sequence[int], terms: Terms) -> list[str]:
    """What is wrong with the numbers that a viewer got, each in a sentence."""
    expected, seconds = list(range(terms.first, -1, -1)), terms.seconds
    if not numbers:
        return [f"{name} has got no tick within {seconds:g} s of the start"]
    missing = [str(number) for number in expected if number not in numbers]
    twice = [str(number) for number in expected if numbers.count(number) > 1]
    found = []
    if missing:
        within = "" if 0 in numbers else f" within {seconds:g} s of the start"
        found.append(f"{name} has not got {', '.join(missing)}{within}")
    if twice:
        found.append(f"{name} has got {', '.join(twice)} twice")
    if not found and list(numbers) != expected:
        found.append(f"{name} has got the numbers in another order: {list(numbers)}")
    return found


def numbers(viewer: Viewer, run: str) -> list[int]:
    """The numbers of a run that a viewer got, in the order in which they came."""
    return [seen.number for seen in viewer.ticks.get(run, [])]


def _view(viewer: Viewer, run: str) -> View:
    view = View(drops=max(0, viewer.drops - 1))
    for seen in viewer.ticks.get(run, []):
        clock = viewer.clocks[seen.instance]
        if clock.is_set:
            view.late_ms.setdefault(seen.number, round(clock.time(seen.at) - seen.due, 2))
            view.error_ms = round(max(view.error_ms, clock.error_ms), 2)
    return view
