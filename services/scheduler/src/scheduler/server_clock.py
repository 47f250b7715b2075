"""How far this machine's clock is from the NATS server's, by which the stream's entries are dated.

A scheduler whose clock is wrong stores ticks early, for everybody. Which of the two clocks is wrong
it can't know, so it says so, in `/readyz` and once in the log, and goes on: a countdown that is off
by a second is better than none.
"""

from typing import Never

from prometheus_client import Gauge

from bus.connection import Bus
from bus.reports import Report
from runtime.logs import logger

log = logger(__name__)

MOST_MS = 1000.0
"""How far the clocks may differ."""

_offset = Gauge(
    "tminus_clock_offset_seconds", "How far this clock is ahead of the NATS server's, in seconds."
)


class ServerClock:
    """Compares the two clocks, by the reports of the stream, which are dated."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._ahead_ms = 0.0

    def check(self) -> str | None:
        """For `/readyz`."""
        if abs(self._ahead_ms) <= MOST_MS:
            return None
        side = "ahead of" if self._ahead_ms > 0 else "behind"
        return f"the clock is {abs(self._ahead_ms) / 1000:.1f} s {side} the NATS server's"

    async def run(self) -> Never:
        """Compare the clocks at each report, twice a second, for ever."""
        while True:
            report = await self._bus.reports.next()
            if report is not None:
                self._compare(report)

    def _compare(self, report: Report) -> None:
        if report.ts is None:
            return
        was_wrong, server_ms = self.check() is not None, report.ts.timestamp() * 1000
        _offset.set(((report.asked_at + report.answered_at) / 2 - server_ms) / 1000)
        self._ahead_ms = least_ahead_ms(report.asked_at, server_ms, report.answered_at)
        is_wrong = self.check() is not None
        if is_wrong and not was_wrong:
            log.warning("the clock and the NATS server's differ", ahead_ms=round(self._ahead_ms))
        elif was_wrong and not is_wrong:
            log.info("the clock and the NATS server's agree again")


def least_ahead_ms(asked_at: float, server_ms: float, answered_at: float) -> float:
    """How far a clock that showed `asked_at` and then `answered_at` is at least ahead of one that
    showed `server_ms` in between; negative if it is behind, 0 if they may agree."""
    return max(0.0, asked_at - server_ms) + min(0.0, answered_at - server_ms)
