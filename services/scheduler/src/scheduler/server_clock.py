"""How far this machine's clock is from the NATS server's, by which the stream's entries are dated.

A scheduler whose clock is wrong stores ticks early, for everybody. Which of the two clocks is wrong
it can't know, so it says so in `/readyz` and goes on: a countdown that is off by a second is better
than none.
"""

import asyncio
from contextlib import suppress
from datetime import datetime
from typing import Never

import msgspec
from msgspec import Struct
from prometheus_client import Gauge

from bus.connection import Bus
from bus.errors import BusError
from protocol import subjects
from runtime.clock import now_ms

LOOK_SECONDS = 2.0
ANSWER_SECONDS = 1.0
MOST_MS = 1000.0
"""How far the clocks may differ."""

_offset = Gauge(
    "tminus_clock_offset_seconds", "How far this clock is ahead of the NATS server's, in seconds."
)


class _Dated(Struct):
    """The report of a stream, the field used here; servers before 2.10 send no time."""

    ts: datetime | None = None


class ServerClock:
    """Compares the two clocks, over a request to the server."""

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
        """Compare the clocks every LOOK_SECONDS, for ever."""
        while True:
            await self._bus.connected()
            with suppress(BusError, msgspec.MsgspecError):
                await self._compare()
            await asyncio.sleep(LOOK_SECONDS)

    async def _compare(self) -> None:
        asked_at = now_ms()
        reply = await self._bus.request(
            f"$JS.API.STREAM.INFO.{subjects.STREAM}", b"", ANSWER_SECONDS
        )
        answered_at = now_ms()
        dated = msgspec.json.decode(reply.data, type=_Dated).ts
        if dated is not None:
            server_ms = dated.timestamp() * 1000
            self._ahead_ms = least_ahead_ms(asked_at, server_ms, answered_at)
            _offset.set(((asked_at + answered_at) / 2 - server_ms) / 1000)


def least_ahead_ms(asked_at: float, server_ms: float, answered_at: float) -> float:
    """How far a clock that showed `asked_at` and then `answered_at` is at least ahead of one that
    showed `server_ms` in between; negative if it is behind, 0 if they may agree."""
    return max(0.0, asked_at - server_ms) + min(0.0, answered_at - server_ms)
