"""What the schedulers take on, and what they keep in memory."""

import pytest
from msgspec.structs import asdict

from bus.connection import Bus
from bus.stream import Entry
from protocol import events, subjects
from protocol.events import Cancelled, Held, Started, Tick
from protocol.rules import Countdown
from scheduler import event_store
from scheduler.event_store import EventStore
from scheduler.load import Load, TooMuch
from scheduler.settings import Settings


def started(room: str = "main", interval_ms: int = 1000) -> Started:
    return Started(
        room=room, run=f"run-{room}", from_=2, interval_ms=interval_ms, starts_at=0, by="s"
    )


def tick(run: Started, remaining: int) -> Tick:
    return Tick(**asdict(run), remaining=remaining, due_at=0, emitted=0)


def cancelled(run: Started) -> Cancelled:
    return Cancelled(**asdict(run), remaining=None)


NOTHING = Countdown()


def test_one_run_more_than_allowed_is_refused_until_another_one_is_over() -> None:
    load = Load(max_runs=2, max_ticks_per_second=1000)
    runs = [Countdown(1, started()), Countdown(2, started())]
    for run in runs:
        load.check(started())
        load.replace(NOTHING, run)
    with pytest.raises(TooMuch, match="2 countdowns"):
        load.check(started())
    load.replace(runs[0], Countdown(3, tick(started(), 1)))
    with pytest.raises(TooMuch):
        load.check(started())
    load.replace(Countdown(3, tick(started(), 1)), Countdown(4, tick(started(), 0)))
    load.check(started())


def test_ticks_a_second_are_what_counts_of_fast_runs() -> None:
    load = Load(max_runs=1000, max_ticks_per_second=21)
    load.replace(NOTHING, Countdown(1, started(interval_ms=100)))
    load.replace(NOTHING, Countdown(2, started(interval_ms=100)))
    load.check(started(interval_ms=1000))
    with pytest.raises(TooMuch, match="ticks a second"):
        load.check(started(interval_ms=999))


def test_slow_runs_count_as_one_tick_a_second_since_all_may_be_due_at_once() -> None:
    load = Load(max_runs=1000, max_ticks_per_second=2)
    load.replace(NOTHING, Countdown(1, started(interval_ms=60_000)))
    load.check(started(interval_ms=60_000))
    load.replace(NOTHING, Countdown(2, started(interval_ms=60_000)))
    with pytest.raises(TooMuch):
        load.check(started(interval_ms=60_000))


def test_a_held_run_keeps_its_place_so_that_no_resume_has_to_be_refused() -> None:
    load = Load(max_runs=2, max_ticks_per_second=2)
    held = Held(**asdict(started()) | {"held_at": 0}, remaining=None)
    load.replace(NOTHING, Countdown(1, started()))
    load.replace(Countdown(1, started()), Countdown(2, held))
    load.replace(NOTHING, Countdown(3, started("another")))
    with pytest.raises(TooMuch):
        load.check(started("third"))


def test_runs_that_came_and_went_leave_nothing() -> None:
    load = Load(max_runs=1, max_ticks_per_second=10)
    for interval_ms in range(100, 2000):
        run = Countdown(1, started(interval_ms=interval_ms))
        load.replace(NOTHING, run)
        load.replace(run, Countdown(2, cancelled(started(interval_ms=interval_ms))))
    load.check(started(interval_ms=100))


def fold(store: EventStore, seq: int, event: events.Event) -> None:
    store.fold(Entry(seq, subjects.events(event.room), events.encode(event), 0))


def test_rooms_whose_run_is_over_are_forgotten_the_oldest_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(event_store, "ROOMS_WITHOUT_A_RUN", 3)
    store = EventStore(Bus(Settings(), "scheduler"), Load(100, 1000))
    fold(store, 1, started("counts"))
    for number in range(10):
        run = started(f"room-{number}")
        fold(store, 10 + 2 * number, run)
        fold(store, 11 + 2 * number, cancelled(run))
    assert sorted(store) == ["counts", "room-7", "room-8", "room-9"]
    assert store["room-0"] == NOTHING
    fold(store, 40, started("room-8"))
    fold(store, 41, cancelled(started("room-9")))
    fold(store, 42, cancelled(started("last")))
    assert sorted(store) == ["counts", "last", "room-7", "room-8", "room-9"]


def test_a_recreated_stream_takes_the_runs_of_the_old_one_with_it() -> None:
    store = EventStore(Bus(Settings(), "scheduler"), Load(1, 1000))
    fold(store, 1, started())
    with pytest.raises(TooMuch):
        store.load.check(started())
    changed: list[str] = []
    store.on_change = changed.append
    store.reset("another")
    assert (list(store), changed) == ([], ["main"])
    store.load.check(started())
