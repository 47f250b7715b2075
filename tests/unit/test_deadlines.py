"""Deadlines that nobody keeps any more."""

import asyncio
from contextlib import suppress

from bus.connection import Bus
from bus.stream import Entry
from protocol import events
from protocol.events import Started
from scheduler.deadlines import Deadlines
from scheduler.event_store import EventStore
from scheduler.settings import Settings


async def test_what_is_stored_while_they_end_is_still_known() -> None:
    bus = Bus(Settings(), "scheduler")
    store = EventStore(bus)
    deadlines = Deadlines(bus, store, "scheduler-1")
    running = asyncio.create_task(deadlines.run())
    await asyncio.sleep(0)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    started = Started(
        room="main", run="run-1", from_=10, interval_ms=1000, starts_at=0, by="scheduler-1"
    )
    store.fold(Entry(1, "countdown.main.events", events.encode(started), 0))
    assert store["main"].is_counting
