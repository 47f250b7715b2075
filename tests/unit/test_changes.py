"""Holds and adjustments by replicas whose clocks differ."""

import pytest

from protocol import rules
from protocol.events import Adjusted, Event, Held
from protocol.requests import Adjust, Hold, Start
from protocol.rules import Countdown

NOW = 1_795_420_800_000


def counting(ms: int) -> Countdown:
    """A run from ten, so many milliseconds after its start."""
    room = after(Countdown(), rules.start(Countdown(), Start(), NOW, "run-1", "scheduler-1"))
    while (tick := rules.decide(room, NOW + ms, "scheduler-1")) is not None:
        room = after(room, tick)
    return room


def after(room: Countdown, event: Event) -> Countdown:
    return rules.apply(room, room.seq + 1, event)


def held(room: Countdown, ms: int, id: str = "hold-1") -> Countdown:
    event = rules.hold(room, Hold(id=id), NOW + ms, "new", "scheduler-2")
    assert isinstance(event, Held)
    return after(room, event)


def adjusted(room: Countdown, seconds: int, ms: int, id: str = "adjust-1") -> Adjusted:
    event = rules.adjust(room, Adjust(seconds=seconds, id=id), NOW + ms, "new", "scheduler-2")
    assert isinstance(event, Adjusted)
    return event


@pytest.mark.parametrize("is_held", [False, True])
@pytest.mark.parametrize(("seconds", "following"), [(-2, 4), (0, 6), (2, 8)])
def test_a_clock_that_is_behind_repeats_no_number(
    seconds: int, following: int, is_held: bool
) -> None:
    """The replica that adjusts believes that the last tick, 7, is not due yet."""
    room = counting(3000)
    if is_held:
        room = held(room, 2700)
    room = after(room, adjusted(room, seconds, 2800))
    assert rules.next_remaining(room) == following
