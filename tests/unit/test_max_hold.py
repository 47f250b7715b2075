"""A run that is held without an end, and that nobody resumes: when it is cancelled."""

import pytest

from protocol import changes, rules
from protocol.events import Cancelled, PlannedHold, Resumed
from protocol.requests import Adjust, Hold, Recycle, Start
from protocol.rules import Countdown
from support.runs import NOW, count_down, follow, started

MAX_HOLD_MS = 60_000


def ends_at(room: Countdown) -> int | None:
    """When a run that is held is cancelled, having made sure that it is not earlier."""
    due = rules.next_due(room, MAX_HOLD_MS)
    if due is None:
        return None
    assert rules.decide(room, due - 1, "scheduler-2", MAX_HOLD_MS) is None
    event = rules.decide(room, due, "scheduler-2", MAX_HOLD_MS)
    assert isinstance(event, Cancelled)
    assert (event.by, event.held_at, event.held_until) == ("scheduler-2", None, None)
    assert room.last is not None
    assert not follow(room, event).is_under_way
    return due


@pytest.mark.parametrize("starts_in_ms", [0, 3_600_000])
def test_a_held_run_is_cancelled_after_so_long_also_if_it_has_not_begun(starts_in_ms: int) -> None:
    room, _ = count_down(started(starts_at=NOW + starts_in_ms), NOW + 3400)
    room = follow(room, changes.hold(room, Hold(), NOW + 3400, "hold-1", "scheduler-1"))
    assert ends_at(room) == NOW + 3400 + MAX_HOLD_MS
    assert rules.next_due(room) is None, "without a bound it may be held for ever"


def test_whoever_changes_a_held_run_has_it_kept_as_long_again() -> None:
    room, _ = count_down(started(), NOW + 3400)
    room = follow(room, changes.hold(room, Hold(), NOW + 3400, "hold-1", "s"))
    adjusted = changes.adjust(room, Adjust(seconds=5), NOW + 50_000, "adjust-1", "s")
    assert ends_at(follow(room, adjusted)) == NOW + 50_000 + MAX_HOLD_MS
    recycled = changes.recycle(room, Recycle(to=9), NOW + 55_000, "back-1", "s")
    assert ends_at(follow(room, recycled)) == NOW + 55_000 + MAX_HOLD_MS


def planned(for_ms: int | None) -> Countdown:
    request = Start(holds=(PlannedHold(at=8, for_ms=for_ms),))
    room = Countdown(1, rules.start(Countdown(), request, NOW, "run-1", "scheduler-1"))
    return count_down(room, NOW + 2000)[0]


def test_a_planned_hold_without_an_end_is_no_exception() -> None:
    assert ends_at(planned(None)) == NOW + 2000 + MAX_HOLD_MS


def test_a_planned_hold_with_an_end_may_be_longer() -> None:
    room = planned(10 * MAX_HOLD_MS)
    assert rules.next_due(room, MAX_HOLD_MS) == NOW + 2000 + 10 * MAX_HOLD_MS
    event = rules.decide(room, NOW + 2000 + 10 * MAX_HOLD_MS, "s", MAX_HOLD_MS)
    assert isinstance(event, Resumed)
