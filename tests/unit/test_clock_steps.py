"""A wall clock that is set while the monotonic clock goes on."""

import asyncio
from collections.abc import Callable
from functools import partial

import pytest

from runtime import clock
from scheduler import clock_steps
from scheduler.clock_steps import ClockSteps

HOUR_MS = 3_600_000.0


async def test_each_step_is_noticed_also_the_one_back_to_where_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clock_steps, "LOOK_SECONDS", 0.001)
    true_now_ms = clock.now_ms
    steps = ClockSteps()
    for ahead_ms in (HOUR_MS, 0.0):
        monkeypatch.setattr(clock_steps, "now_ms", partial(_sum, true_now_ms, ahead_ms))
        await asyncio.wait_for(steps.next(), 5)


def _sum(true_now_ms: Callable[[], float], ahead_ms: float) -> float:
    return true_now_ms() + ahead_ms
