"""What a scheduler learns of the stream from how long an append takes, and from which appends."""

import asyncio
from typing import Any, cast

import pytest

from bus.connection import Bus
from bus.errors import BusTimeout, BusUnavailable
from protocol.events import Event, Started
from protocol.rules import Countdown, apply
from runtime.background import background
from runtime.clock import whole_now_ms
from scheduler.appender import Conflict
from scheduler.deadlines import Deadlines
from scheduler.event_store import EventStore
from scheduler.tick_queue import TickQueue


class Store:
    """A room of which each append fails in another way, and then none does."""

    def __init__(self) -> None:
        started = Started(
            room="main", run="r1", from_=1, interval_ms=100, starts_at=whole_now_ms(), by="s1"
        )
        self.countdown = Countdown(1, started)
        self.failures: list[Exception] = [BusUnavailable("gone"), BusTimeout("slow"), Conflict()]
        self.on_change: Any = None

    def __getitem__(self, room: str) -> Countdown:
        return self.countdown

    async def append(self, event: Event, expected: Countdown) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.countdown = apply(expected, expected.seq + 1, event)

    async def refresh(self, room: str) -> None:
        pass


async def test_an_append_that_is_not_answered_says_nothing_about_the_stream(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[float | None] = []
    done = TickQueue.done

    def note(queue: TickQueue, answered_after: float | None) -> None:
        told.append(answered_after)
        done(queue, answered_after)

    monkeypatch.setattr(TickQueue, "done", note)
    store = Store()
    deadlines = Deadlines(cast(Bus, None), cast(EventStore, store), "s1")
    async with background(deadlines.run()):
        await asyncio.sleep(0)
        store.on_change("main")
        async with asyncio.timeout(5):
            while store.countdown.is_under_way:
                await asyncio.sleep(0.01)
    assert [seconds is None for seconds in told] == [True, True, True, False, False]
