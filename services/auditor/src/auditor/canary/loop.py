"""The canary of the service: it counts again and again, and keeps the figures."""

import asyncio
from typing import Never

from prometheus_client import Counter, Histogram

from runtime.logs import logger

from .count import Terms, count
from .page import Target
from .report import Report

log = logger(__name__)

_runs = Counter("tminus_canary_runs_total", "Runs of the canary.", ["outcome"])
_late = Histogram(
    "tminus_canary_late_seconds",
    "Delay from a tick's due time until a viewer of the canary received it.",
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 5, 10),
)


async def counting(target: Target, interval_seconds: float) -> Never:
    """Count once in so many seconds, for ever; always in the same room, so that the stream keeps
    no more of it than of any other."""
    for outcome in ("ok", "failed"):
        _runs.labels(outcome)
    clock = asyncio.get_running_loop().time
    while True:
        begun = clock()
        _note(await count(target, Terms()))
        await asyncio.sleep(max(0.0, begun + interval_seconds - clock()))


def _note(report: Report) -> None:
    _runs.labels("ok" if report.is_good else "failed").inc()
    for view in report.views:
        for late_ms in view.late_ms.values():
            _late.observe(max(0.0, late_ms) / 1000)
    if not report.is_good:
        log.error(
            "the canary failed", page=report.page, run=report.run, reason="; ".join(report.failures)
        )
