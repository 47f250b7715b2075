"""Deadlines: what waits for them, and what happens when the clock is set."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar

import pytest
import uvloop

from bus.connection import Bus
from bus.stream import Entry
from protocol import events
from protocol.events import Started
from runtime import clock
from runtime.clock import whole_now_ms
from scheduler import clock_steps, deadlines
from scheduler.deadlines import Deadlines
from scheduler.event_store import EventStore
from scheduler.grace import Turn
from scheduler.load import Load
from scheduler.settings import Settings

HOUR_MS = 3_600_000
LONGEST_MS = 8_640_000 * 60_000
"""Sixteen years: more milliseconds than a system call may wait for."""


class Noting(Deadlines):
    """Deadlines without a stream, which note the rooms in which they would append."""

    def __init__(self, store: EventStore) -> None:
        super().__init__(Bus(Settings(), "scheduler"), store, "scheduler-1")
        self.noted: list[str] = []
        self.has_noted = asyncio.Event()

    def note(self, room: str) -> None:
        self.noted.append(room)
        self.has_noted.set()


class Counted(Noting):
    """They only note which rooms' ticks are due."""

    async def _append_due(self, room: str) -> None:
        self.note(room)


def store_of(*rooms: str, starts_at: int) -> EventStore:
    store = EventStore(Bus(Settings(), "scheduler"), Load(100_000, 1_000_000))
    for seq, room in enumerate(rooms, start=1):
        schedule(store, seq, room, starts_at)
    return store


def schedule(store: EventStore, seq: int, room: str, starts_at: int) -> None:
    started = Started(
        room=room, run="run-1", from_=10, interval_ms=1000, starts_at=starts_at, by="scheduler-1"
    )
    store.fold(Entry(seq, f"countdown.{room}.events", events.encode(started), 0))


@asynccontextmanager
async def running(kept: Deadlines) -> AsyncIterator[None]:
    task = asyncio.create_task(kept.run())
    await asyncio.sleep(0)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_what_is_stored_while_they_end_is_still_known() -> None:
    store = store_of(starts_at=0)
    async with running(Deadlines(Bus(Settings(), "scheduler"), store, "scheduler-1")):
        pass
    schedule(store, 1, "main", 0)
    assert store["main"].is_under_way


async def test_a_run_that_is_only_scheduled_has_a_timer_and_no_task() -> None:
    store = store_of(starts_at=0)
    async with running(Counted(store)):
        before = len(asyncio.all_tasks())
        for seq in range(1, 1001):
            schedule(store, seq, f"room-{seq}", whole_now_ms() + HOUR_MS)
        await asyncio.sleep(0)
        assert len(asyncio.all_tasks()) == before


REQUEST = ContextVar("request", default="none")


class Asked(Counted):
    """Deadlines that also note in the context of which request they append."""

    async def _append_due(self, room: str) -> None:
        self.request = REQUEST.get()
        await super()._append_due(room)


async def test_a_tick_is_not_in_the_context_of_the_request_that_started_the_run() -> None:
    """Its trace, for one, is another."""
    store = store_of(starts_at=0)
    kept = Asked(store)
    async with running(kept):
        REQUEST.set("start")
        schedule(store, 1, "main", whole_now_ms())
        await asyncio.wait_for(kept.has_noted.wait(), 5)
    assert kept.request == "none"


class Slow(Noting):
    """Their appends never end; noted are the rooms in which one has begun."""

    async def _append(self, room: str) -> None:
        self.note(room)
        await asyncio.Event().wait()


async def test_while_a_room_s_tick_is_appended_no_other_is_also_if_something_changes() -> None:
    store = store_of(starts_at=0)
    kept = Slow(store)
    async with running(kept):
        for seq, room in enumerate(("main", "main", "last"), start=1):
            kept.has_noted.clear()
            schedule(store, seq, room, whole_now_ms())
            if seq != 2:
                await asyncio.wait_for(kept.has_noted.wait(), 5)
    assert kept.noted == ["main", "last"]


async def test_a_clock_that_is_set_makes_due_what_it_has_passed_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clock_steps, "LOOK_SECONDS", 0.01)
    store = store_of(starts_at=0)
    kept = Counted(store)
    async with running(kept):
        schedule(store, 1, "soon", whole_now_ms() + HOUR_MS)
        schedule(store, 2, "later", whole_now_ms() + 3 * HOUR_MS)
        true_now_ms = clock.now_ms
        for module in (clock_steps, deadlines):
            monkeypatch.setattr(module, "now_ms", lambda: true_now_ms() + 2 * HOUR_MS)
        await asyncio.wait_for(kept.has_noted.wait(), 5)
        assert kept.noted == ["soon"]


async def test_a_clock_that_is_set_back_makes_a_tick_wait_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clock_steps, "LOOK_SECONDS", 3600)  # the timers notice it by themselves
    store = store_of(starts_at=0)
    kept = Counted(store)
    async with running(kept):
        schedule(store, 1, "early", whole_now_ms() + 100)
        schedule(store, 2, "now", whole_now_ms() - HOUR_MS)
        true_now_ms = clock.now_ms
        for module in (clock_steps, deadlines):
            monkeypatch.setattr(module, "now_ms", lambda: true_now_ms() - HOUR_MS)
        schedule(store, 3, "same", whole_now_ms() - HOUR_MS + 200)
        await asyncio.wait_for(kept.has_noted.wait(), 5)
        kept.has_noted.clear()
        while "same" not in kept.noted:
            await asyncio.wait_for(kept.has_noted.wait(), 5)
            kept.has_noted.clear()
        assert kept.noted == ["now", "same"]


class Fired(Counted):
    """Deadlines that also note whose timers have fired."""

    def __init__(self, store: EventStore) -> None:
        super().__init__(store)
        self.fired: list[str] = []

    def _on_timer(self, room: str, turn: Turn) -> None:
        self.fired.append(room)
        super()._on_timer(room, turn)


@pytest.mark.parametrize(
    "new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
)
def test_a_timer_of_years_does_not_fire_before(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def fired() -> list[str]:
        store = store_of(starts_at=0)
        kept = Fired(store)
        async with running(kept):
            schedule(store, 1, "far", whole_now_ms() + LONGEST_MS)
            schedule(store, 2, "soon", whole_now_ms() + 50)
            await asyncio.wait_for(kept.has_noted.wait(), 5)
        return kept.fired

    with asyncio.Runner(loop_factory=new_loop) as runner:
        assert set(runner.run(fired())) == {"soon"}


async def test_a_run_that_waits_for_weeks_is_due_when_the_clock_has_passed_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clock_steps, "LOOK_SECONDS", 0.01)
    store = store_of(starts_at=0)
    kept = Counted(store)
    async with running(kept):
        schedule(store, 1, "far", whole_now_ms() + 99 * 24 * HOUR_MS)
        true_now_ms = clock.now_ms
        for module in (clock_steps, deadlines):
            monkeypatch.setattr(module, "now_ms", lambda: true_now_ms() + 100 * 24 * HOUR_MS)
        await asyncio.wait_for(kept.has_noted.wait(), 5)
        assert kept.noted == ["far"]
