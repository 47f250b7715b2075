"""Holding, resuming and adjusting a run, by example; also by clocks that differ."""

import pytest

from protocol import changes, events, rules
from protocol.events import MAX_FROM, Adjusted, Held, PlannedHold, Resumed, Started
from protocol.refusals import NotHeld, NothingUnderWay, RunUnderWay
from protocol.requests import Adjust, Cancel, Hold, RequestError, Resume, Start
from protocol.rules import Countdown
from support.runs import NOW, count_down, follow, started


def held(at: int, **terms: int | str) -> Countdown:
    room, _ = count_down(started(**terms), at)
    return follow(room, changes.hold(room, Hold(), at, "hold-1", "scheduler-2"))


def test_a_hold_keeps_what_was_left_of_the_second() -> None:
    room = held(NOW + 3400)
    last = room.last
    assert isinstance(last, Held)
    assert (last.held_at, last.remaining, last.change) == (NOW + 3400, 7, "hold:hold-1")
    assert rules.decide(room, NOW + 900_000, "scheduler-1") is None
    resumed = changes.resume(room, Resume(), NOW + 63_400, "resume-1", "scheduler-1")
    assert (resumed.at, resumed.held_at, resumed.remaining) == (NOW + 63_400, None, 7)
    _, ticks = count_down(follow(room, resumed), NOW + 900_000)
    assert [tick.remaining for tick in ticks] == [6, 5, 4, 3, 2, 1, 0]
    assert [tick.due_at - NOW for tick in ticks] == [64_000 + k * 1000 for k in range(7)]


def test_a_run_can_be_held_before_it_begins() -> None:
    room = held(NOW + 1000, starts_at=NOW + 5000)
    resumed = changes.resume(room, Resume(), NOW + 31_000, "resume-1", "s")
    _, ticks = count_down(follow(room, resumed), NOW + 900_000)
    assert (ticks[0].remaining, ticks[0].due_at, len(ticks)) == (10, NOW + 35_000, 11)


def test_a_hold_that_a_slow_clock_decides_is_no_earlier_than_the_last_tick() -> None:
    room, _ = count_down(started(), NOW + 2000)
    event = changes.hold(room, Hold(), NOW + 1700, "hold-1", "slow")
    assert event.held_at == NOW + 2000


@pytest.mark.parametrize(
    ("seconds", "numbers", "first_due"),
    [
        (10, [16, 15], 4000),
        (-3, [3, 2], 4000),
        (1, [7, 6], 4000),
        (-6, [0], 4000),
        (-99, [0], 3400),
    ],
)
def test_an_adjustment_jumps_once_and_goes_on_by_one(
    seconds: int, numbers: list[int], first_due: int
) -> None:
    room, _ = count_down(started(), NOW + 3400)  # shows 7
    event = changes.adjust(room, Adjust(seconds=seconds), NOW + 3400, "adjust-1", "s")
    assert isinstance(event, Adjusted)
    assert (event.at, event.remaining) == (NOW + 3400, numbers[0] + 1)
    room, ticks = count_down(follow(room, event), NOW + 900_000)
    assert [tick.remaining for tick in ticks][:2] == numbers[:2]
    assert ticks[0].due_at == NOW + first_due
    assert (ticks[-1].remaining, room.is_under_way) == (0, False)


def test_an_adjustment_in_long_steps_moves_the_next_number() -> None:
    room, _ = count_down(started(interval_ms=60_000), NOW + 90_000)  # shows 9, for 30 s more
    event = changes.adjust(room, Adjust(seconds=45), NOW + 90_000, "adjust-1", "s")
    assert isinstance(event, Adjusted)
    assert event.zero_at == NOW + 10 * 60_000 + 45_000
    _, ticks = count_down(follow(room, event), NOW + 9_000_000)
    assert (ticks[0].remaining, ticks[0].due_at) == (9, NOW + 105_000)


def test_a_little_more_time_at_the_first_number_makes_it_a_run_from_one_more() -> None:
    room, _ = count_down(started(interval_ms=60_000), NOW + 200)  # shows 10, for 59.8 s more
    event = changes.adjust(room, Adjust(seconds=10), NOW + 200, "adjust-1", "s")
    assert isinstance(event, Adjusted)
    assert (event.from_, event.remaining, event.zero_at) == (11, 11, NOW + 610_000)


def test_a_held_run_is_adjusted_and_stays_held_but_for_zero() -> None:
    room = held(NOW + 3400)
    event = changes.adjust(room, Adjust(seconds=5), NOW + 50_000, "adjust-1", "s")
    assert isinstance(event, Adjusted)
    assert (event.held_at, event.remaining) == (NOW + 3400, 12)
    resumed = changes.resume(follow(room, event), Resume(), NOW + 60_000, "resume-1", "s")
    assert resumed.due(11) == NOW + 60_600
    event = changes.adjust(room, Adjust(seconds=-7), NOW + 50_000, "adjust-1", "s")
    assert (event.held_at, event.remaining) == (None, 1)
    tick = rules.decide(follow(room, event), NOW + 50_000, "s")
    assert isinstance(tick, events.Tick)
    assert (tick.remaining, tick.due_at) == (0, NOW + 50_000)


def test_an_adjustment_that_can_not_be_names_the_field() -> None:
    room, _ = count_down(started(from_=MAX_FROM - 5), NOW)
    with pytest.raises(RequestError, match=r"^seconds: 6 makes it a run from more than 8640000"):
        changes.adjust(room, Adjust(seconds=6), NOW + 1, "adjust-1", "s")
    scheduled = started(starts_at=NOW + 5000)
    with pytest.raises(RequestError, match=r"^seconds: -10 leaves nothing of the run"):
        changes.adjust(scheduled, Adjust(seconds=-10), NOW, "adjust-1", "s")
    event = changes.adjust(scheduled, Adjust(seconds=-9), NOW, "adjust-1", "s")
    assert (event.from_, event.starts_at, event.remaining) == (1, NOW + 5000, None)


@pytest.mark.parametrize("id", ["mine", None])
def test_a_change_that_is_repeated_is_answered_and_not_done_again(id: str | None) -> None:
    """Also by a scheduler that made up the id, and after ticks."""
    room, _ = count_down(started(), NOW + 3400)
    request = Adjust(seconds=10, id=id)
    event = changes.adjust(room, request, NOW + 3400, "made-up", "s")
    room, _ = count_down(follow(room, event), NOW + 6000)
    again = changes.adjust(room, request, NOW + 6100, "made-up", "s")
    assert rules.has_happened(room, again)
    assert again.zero_at == event.zero_at
    room = held(NOW + 3400)
    assert room.last is not None
    again_held = changes.hold(room, Hold(), NOW + 5000, "hold-2", "s")
    assert again_held == room.last
    assert rules.has_happened(room, again_held)
    resume = Resume(id=id)
    room = follow(room, changes.resume(room, resume, NOW + 5000, "made-up", "s"))
    room, _ = count_down(room, NOW + 900_000)
    assert not room.is_under_way
    assert rules.has_happened(room, changes.resume(room, resume, NOW + 900_000, "made-up", "s"))


def test_there_is_nothing_to_change_where_nothing_is_under_way() -> None:
    finished, _ = count_down(started(), NOW + 10_000)
    running, _ = count_down(started(), NOW + 2000)
    for room in (Countdown(), finished):
        with pytest.raises(NothingUnderWay):
            changes.hold(room, Hold(), NOW, "id", "s")
        with pytest.raises(NothingUnderWay):
            changes.adjust(room, Adjust(seconds=1), NOW, "id", "s")
    with pytest.raises(RunUnderWay):
        changes.hold(running, Hold(run="run-0"), NOW, "id", "s")
    with pytest.raises(NotHeld) as refusal:
        changes.resume(running, Resume(), NOW, "id", "s")
    assert refusal.value.last == running.last


def test_what_counts_on_after_zero_can_be_cancelled() -> None:
    room, _ = count_down(started(after_zero="count"), NOW + 10_000)
    assert not room.is_under_way
    event = rules.cancel(room, Cancel(run="run-1"), "s")
    assert (event.remaining, event.run) == (0, "run-1")
    assert isinstance(rules.start(room, Start(), NOW + 20_000, "run-2", "s"), Started)


def test_a_held_run_can_be_cancelled_and_is_not_held_any_more() -> None:
    event = rules.cancel(held(NOW + 3400), Cancel(), "s")
    assert (event.remaining, event.held_at) == (7, None)


def test_terms_stay_with_the_run() -> None:
    room = held(NOW + 3400, after_zero="count", warning=5, danger=3)
    resumed = changes.resume(room, Resume(), NOW + 4000, "resume-1", "s")
    assert isinstance(resumed, Resumed)
    room, ticks = count_down(follow(room, resumed), NOW + 900_000)
    assert {(t.after_zero, t.warning, t.danger, t.change) for t in ticks} == {
        ("count", 5, 3, "resume:resume-1")
    }


def test_a_start_whose_run_was_changed_since_agrees_with_any_terms() -> None:
    room = held(NOW + 3400)
    again = rules.start(room, Start(run="run-1", from_=4), NOW + 9000, "x", "s")
    assert rules.has_happened(room, again)


# Where clocks differ, and where one id is used for two commands


def counting(ms: int) -> Countdown:
    """A run from ten, so many milliseconds after its start."""
    return count_down(started(), NOW + ms)[0]


def held_by(room: Countdown, ms: int, id: str = "hold-1") -> Countdown:
    event = changes.hold(room, Hold(id=id), NOW + ms, "new", "scheduler-2")
    assert isinstance(event, Held)
    return follow(room, event)


def adjusted(room: Countdown, seconds: int, ms: int, id: str = "adjust-1") -> Adjusted:
    event = changes.adjust(room, Adjust(seconds=seconds, id=id), NOW + ms, "new", "scheduler-2")
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
        room = held_by(room, 2700)
    room = follow(room, adjusted(room, seconds, 2800))
    assert rules.next_remaining(room) == following


def test_an_id_that_held_a_run_also_resumes_it() -> None:
    room = held_by(counting(3500), 3500, "id-1")
    event = changes.resume(room, Resume(id="id-1"), NOW + 4500, "new", "scheduler-2")
    assert not rules.has_happened(room, event)
    assert rules.next_due(follow(room, event)) == NOW + 5000


def test_an_id_that_held_a_run_also_adjusts_it() -> None:
    room = held_by(counting(3500), 3500, "id-1")
    event = adjusted(room, 2, 4500, "id-1")
    assert not rules.has_happened(room, event)
    assert rules.next_remaining(follow(room, event)) == 8


def test_an_id_that_adjusted_a_run_also_holds_it() -> None:
    room = counting(3500)
    room = follow(room, adjusted(room, 2, 3500, "id-1"))
    event = changes.hold(room, Hold(id="id-1"), NOW + 3600, "new", "scheduler-2")
    assert isinstance(event, Held)
    assert not rules.has_happened(room, event)
    assert rules.next_due(follow(room, event)) is None


def test_a_change_that_is_repeated_is_answered_with_its_event() -> None:
    room = counting(3500)
    event = adjusted(room, 2, 3500, "id-1")
    room = follow(room, event)
    assert adjusted(room, 2, 3600, "id-1") == event
    room = held_by(room, 3700)
    resumed = changes.resume(room, Resume(id="id-2"), NOW + 4500, "new", "scheduler-2")
    room = follow(room, resumed)
    again = changes.resume(room, Resume(id="id-2"), NOW + 4600, "new", "scheduler-1")
    assert again == resumed
    assert rules.has_happened(room, again)


def test_an_adjustment_that_is_repeated_with_other_seconds_is_answered_as_it_was_stored() -> None:
    room, _ = count_down(started(), NOW + 3400)
    stored = changes.adjust(room, Adjust(id="a", seconds=60), NOW + 3400, "new", "s")
    again = Adjust(id="a", seconds=-30)
    assert changes.adjust(follow(room, stored), again, NOW + 3500, "newer", "s").seconds == 60


def test_a_planned_hold_without_its_end_is_ended_as_late_as_one_that_has_just_begun() -> None:
    hour = 3_600_000
    holds = (PlannedHold(at=10, for_ms=2 * hour),)
    room, _ = count_down(started(holds=holds), NOW)  # type: ignore[arg-type]
    now = NOW + hour + hour // 2
    room = follow(room, changes.hold(room, Hold(), now, "hold-1", "s"))
    assert rules.next_due(room, hour) == now + hour
    again = changes.hold(room, Hold(id="x"), now + 1000, "hold-2", "s")
    assert again.at == now


def test_a_change_that_is_repeated_after_zero_is_answered_with_an_event_that_can_be_read() -> None:
    """Its `remaining` is that of an event before zero."""
    room = counting(9500)
    room = follow(room, adjusted(room, -60, 9500))
    zero = rules.decide(room, NOW + 9500, "scheduler-1")
    assert zero is not None
    again = adjusted(follow(room, zero), -60, 9600)
    assert rules.has_happened(follow(room, zero), again)
    assert events.decode(events.encode(again), "main") == again


def test_a_resume_that_is_repeated_after_zero_is_answered_with_an_event_that_can_be_read() -> None:
    room, asked = held_by(counting(9500), 9500), Resume(id="id-1")
    room = follow(room, changes.resume(room, asked, NOW + 9500, "new", "scheduler-2"))
    zero = rules.decide(room, NOW + 10_000, "scheduler-1")
    assert zero is not None
    again = changes.resume(follow(room, zero), asked, NOW + 10_100, "new", "scheduler-2")
    assert rules.has_happened(follow(room, zero), again)
    assert events.decode(events.encode(again), "main") == again


def test_an_id_of_another_run_is_no_repetition() -> None:
    room = held_by(counting(3500), 3500, "id-1")
    with pytest.raises(RunUnderWay):
        changes.hold(room, Hold(run="run-0", id="id-1"), NOW + 4500, "new", "scheduler-2")
