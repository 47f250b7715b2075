"""Run a scheduler that breaks a rule on purpose: `faulty.py KIND`."""

import runpy
import sys
from collections.abc import Callable

from protocol import events, rules, subjects
from protocol.events import Cancelled, Event, Tick
from protocol.rules import Countdown
from runtime.clock import now_ms
from scheduler import deadlines
from scheduler.event_store import EventStore

EARLY_MS = 90
NUMBER = 3
"""The tick at which it happens."""


def early() -> None:
    """It stores ticks before they are due."""
    ahead = {
        "now_ms": lambda: now_ms() + EARLY_MS,
        "whole_now_ms": lambda: int(now_ms() + EARLY_MS),
    }
    vars(deadlines).update(ahead)


def duplicate() -> None:
    """It stores a tick once more, knowing that it is there."""
    _then(lambda event: event if getattr(event, "remaining", None) == NUMBER else None)


def after_end() -> None:
    """It stores the next tick after the cancel."""

    def next_tick(event: Event) -> Event | None:
        if not isinstance(event, Cancelled):
            return None
        number = (event.remaining or 0) - 1
        at = event.due(number)
        return rules.following(Tick, event, remaining=number, due_at=at, emitted=at)

    _then(next_tick)


def out_of_order() -> None:
    """It leaves a number out."""
    following = rules.next_remaining

    def too_far(countdown: Countdown) -> int | None:
        number = following(countdown)
        return number - 1 if number == NUMBER else number

    rules.next_remaining = too_far


def _then(what: Callable[[Event], Event | None]) -> None:
    """After it has stored an event, it stores what follows by this."""
    append = EventStore.append

    async def append_both(store: EventStore, event: Event, expected: Countdown) -> None:
        await append(store, event, expected)
        more = what(event)
        if more is not None:
            seq = store[event.room].seq
            await store._appender.append(subjects.events(event.room), events.encode(more), seq)

    EventStore.append = append_both  # type: ignore[method-assign, assignment]


FAULTS = {it.__name__: it for it in (early, duplicate, after_end, out_of_order)}


if __name__ == "__main__":
    FAULTS[sys.argv[1]]()
    sys.argv = sys.argv[:1]
    runpy.run_module("scheduler", run_name="__main__", alter_sys=True)
