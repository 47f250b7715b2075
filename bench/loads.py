"""Several loads as one crowd, since a process may have only so many files."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import msgspec

from bench.load import Load, Report, load

SOURCE = "127.0.{}.1"
"""Where the viewers of each load come from: an address has 28,232 ports for one destination."""


class Loads:
    """A crowd whose viewers are spread evenly over loads."""

    def __init__(self, loads: Sequence[Load]) -> None:
        self._loads = loads
        self._viewers = [0] * len(loads)

    async def join(self, viewers: int, *, seconds: float) -> Report:
        """More viewers, as `Load.join`; the report is of the time since they were asked to."""
        share, over = divmod(viewers, len(self._loads))
        more = [share + (index < over) for index in range(len(self._loads))]
        self._viewers = [had + new for had, new in zip(self._viewers, more, strict=True)]
        await self.reset()
        return await _together(
            load.join(new, seconds=seconds) for load, new in zip(self._loads, more, strict=True)
        )

    async def reset(self) -> Report:
        """Reset the counts and times."""
        return await _together(load.reset() for load in self._loads)

    async def pings(self, every_ms: int) -> None:
        """Let every viewer ping so often; 0: never."""
        await _together(load.pings(every_ms) for load in self._loads)

    async def report(self) -> Report:
        """What came since the reset."""
        return await _together(load.report() for load in self._loads)

    async def expect(self, frames: int, *, seconds: float) -> Report:
        """Wait until every viewer has so many frames more, as `Load.expect`."""
        return await _together(
            load.expect(frames * viewers, seconds=seconds)
            for load, viewers in zip(self._loads, self._viewers, strict=True)
        )


async def _together(orders: Iterable[Coroutine[Any, Any, Report]]) -> Report:
    return merged(await asyncio.gather(*orders))


def merged(reports: Sequence[Report]) -> Report:
    """The reports of loads that have as many viewers each, as of one.

    The last two values of `late_ms` are those of the latest load.
    """
    first = min(report.last_at_us - report.first_to_last_seconds * 1e6 for report in reports)
    last = max(report.last_at_us for report in reports)
    pooled = sorted(late for report in reports for late in report.late_ms[:200])
    latest = max(reports, key=lambda report: report.worst_ms)
    sums = {
        field: sum(getattr(report, field) for report in reports)
        for field in Report.__struct_fields__
        if field not in ("seconds", "late_ms")
    }
    return msgspec.convert(
        sums
        | {
            "seconds": max(report.seconds for report in reports),
            "first_to_last_seconds": (last - first) / 1e6,
            "last_at_us": last,
            "worst_ms": latest.worst_ms,
            "late_ms": pooled[:: len(reports)] + latest.late_ms[200:],
        },
        Report,
    )


@asynccontextmanager
async def loads(count: int, port: int, options: Sequence[str]) -> AsyncIterator[Loads]:
    """Start so many loads for the server on the port."""
    async with AsyncExitStack() as stack:
        yield Loads(
            [
                await stack.enter_async_context(
                    load(port, (*options, "--source", SOURCE.format(index + 1)))
                )
                for index in range(count)
            ]
        )
