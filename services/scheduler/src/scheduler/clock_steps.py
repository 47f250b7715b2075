"""Notices that the wall clock was set: it and the monotonic clock have parted."""

import asyncio
import time

from prometheus_client import Counter

from runtime.clock import now_ms
from runtime.logs import logger

log = logger(__name__)

LOOK_SECONDS = 1.0
PARTED_MS = 5.0
"""How far the clocks may part, at once or gradually, before timers are set again."""
STEP_MS = 500.0
"""From here on it is a step: logged and counted."""

_steps = Counter("tminus_clock_steps_total", "Times that the wall clock was set.")


class ClockSteps:
    """How far the wall clock and the monotonic clock have parted since this was made."""

    def __init__(self) -> None:
        self._offset_ms = _offset_ms()

    async def next(self) -> None:
        """Wait until they have parted further; it is noticed within a second."""
        parted_ms = 0.0
        while abs(parted_ms) < PARTED_MS:
            await asyncio.sleep(LOOK_SECONDS)
            parted_ms = _offset_ms() - self._offset_ms
        self._offset_ms += parted_ms
        if abs(parted_ms) >= STEP_MS:
            _steps.inc()
            log.warning("the wall clock was set", step_ms=round(parted_ms))


def _offset_ms() -> float:
    return now_ms() - time.monotonic() * 1000
