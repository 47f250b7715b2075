"""Holds and adjustments where clocks differ, and where one id is used for both."""

import pytest

from protocol import events, rules
from protocol.events import Adjusted, Event, Held
from protocol.refusals import RunUnderWay
from protocol.requests import Adjust, Hold, Resume, Start
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


def test_an_id_that_held_a_run_also_resumes_it() -> None:
    room = held(counting(3500), 3500, "id-1")
    event = rules.resume(room, Resume(id="id-1"), NOW + 4500, "new", "scheduler-2")
    assert not rules.has_happened(room, event)
    assert rules.next_due(after(room, event)) == NOW + 5000


def test_an_id_that_held_a_run_also_adjusts_it() -> None:
    room = held(counting(3500), 3500, "id-1")
    event = adjusted(room, 2, 4500, "id-1")
    assert not rules.has_happened(room, event)
    assert rules.next_remaining(after(room, event)) == 8


def test_an_id_that_adjusted_a_run_also_holds_it() -> None:
    room = counting(3500)
    room = after(room, adjusted(room, 2, 3500, "id-1"))
    event = rules.hold(room, Hold(id="id-1"), NOW + 3600, "new", "scheduler-2")
    assert isinstance(event, Held)
    assert not rules.has_happened(room, event)
    assert rules.next_due(after(room, event)) is None


def test_a_change_that_is_repeated_is_answered_with_its_event() -> None:
    room = counting(3500)
    event = adjusted(room, 2, 3500, "id-1")
    room = after(room, event)
    assert adjusted(room, 2, 3600, "id-1") == event
    room = held(room, 3700)
    resumed = rules.resume(room, Resume(id="id-2"), NOW + 4500, "new", "scheduler-2")
    room = after(room, resumed)
    again = rules.resume(room, Resume(id="id-2"), NOW + 4600, "new", "scheduler-1")
    assert again == resumed
    assert rules.has_happened(room, again)


def test_a_change_that_is_repeated_after_zero_is_answered_with_an_event_that_can_be_read() -> None:
    """Its `remaining` is that of an event before zero."""
    room = counting(9500)
    room = after(room, adjusted(room, -60, 9500))
    zero = rules.decide(room, NOW + 9500, "scheduler-1")
    assert zero is not None
    again = adjusted(after(room, zero), -60, 9600)
    assert rules.has_happened(after(room, zero), again)
    assert events.decode(events.encode(again), "main") == again


def test_a_resume_that_is_repeated_after_zero_is_answered_with_an_event_that_can_be_read() -> None:
    room, asked = held(counting(9500), 9500), Resume(id="id-1")
    room = after(room, rules.resume(room, asked, NOW + 9500, "new", "scheduler-2"))
    zero = rules.decide(room, NOW + 10_000, "scheduler-1")
    assert zero is not None
    again = rules.resume(after(room, zero), asked, NOW + 10_100, "new", "scheduler-2")
    assert rules.has_happened(after(room, zero), again)
    assert events.decode(events.encode(again), "main") == again


def test_an_id_of_another_run_is_no_repetition() -> None:
    room = held(counting(3500), 3500, "id-1")
    with pytest.raises(RunUnderWay):
        rules.hold(room, Hold(run="run-0", id="id-1"), NOW + 4500, "new", "scheduler-2")
