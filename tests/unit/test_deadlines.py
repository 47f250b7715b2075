"""Deadlines that nobody keeps any more."""

import asyncio
from contextlib import suppress

from protocol import events
from protocol.events import Started
from runtime.bus import Bus
from runtime.stream import Entry
from scheduler.deadlines import Deadlines
from scheduler.settings import Settings


async def test_what_is_stored_while_they_end_is_still_known() -> None:
    deadlines = Deadlines(Bus(Settings(), "scheduler"), "scheduler-1")
    running = asyncio.create_task(deadlines.run())
    await asyncio.sleep(0)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    started = Started(
        room="main", run="run-1", from_=10, interval_ms=1000, starts_at=0, by="scheduler-1"
    )
    deadlines.history.fold(Entry(1, "countdown.main.events", events.encode(started), 0))
    assert deadlines.history["main"].is_counting
