"""The rules of one room, by example."""

import msgspec
import pytest

from protocol import rules
from protocol.events import (
    MAX_FROM,
    Adjusted,
    Cancelled,
    Event,
    Held,
    Resumed,
    Started,
    Tick,
    Unknown,
)
from protocol.refusals import NotHeld, NothingUnderWay, NotUnderstood, OtherTerms, RunUnderWay
from protocol.requests import MAX_LEAD_MS, Adjust, Cancel, Hold, RequestError, Resume, Start
from protocol.rules import Countdown

NOW = 1_795_420_800_000


def started(**terms: int | str) -> Countdown:
    event = rules.start(Countdown(), Start(**terms), NOW, "run-1", "scheduler-1")  # type: ignore[arg-type]
    return rules.apply(Countdown(), 1, event)


def count_down(room: Countdown, now: int) -> tuple[Countdown, list[Tick]]:
    ticks: list[Tick] = []
    while (tick := rules.decide(room, now, "scheduler-1")) is not None:
        room = rules.apply(room, room.seq + 1, tick)
        ticks.append(tick)
    return room, ticks


def test_a_run_is_eleven_ticks_a_second_apart() -> None:
    _, ticks = count_down(started(), NOW + 60_000)
    assert [tick.remaining for tick in ticks] == [10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0]
    assert [tick.due_at - NOW for tick in ticks] == [k * 1000 for k in range(11)]


def test_no_tick_is_decided_before_it_is_due() -> None:
    room = started()
    assert rules.decide(room, NOW - 1, "scheduler-1") is None
    room, ticks = count_down(room, NOW)
    assert len(ticks) == 1
    assert rules.decide(room, NOW + 999, "scheduler-1") is None
    assert rules.next_due(room) == NOW + 1000


def test_missed_ticks_keep_their_due_times_and_tell_when_they_were_emitted() -> None:
    room, _ = count_down(started(), NOW + 3000)
    _, ticks = count_down(room, NOW + 6500)
    assert [(t.remaining, t.due_at - NOW, t.emitted - NOW) for t in ticks] == [
        (6, 4000, 6500),
        (5, 5000, 6500),
        (4, 6000, 6500),
    ]


def test_a_second_start_is_refused_with_the_run_under_way() -> None:
    room, _ = count_down(started(), NOW + 2000)
    with pytest.raises(RunUnderWay) as refusal:
        rules.start(room, Start(), NOW, "run-2", "scheduler-2")
    assert refusal.value.last == room.last


@pytest.mark.parametrize("end", ["zero", "cancel"])
def test_a_room_starts_again_once_its_run_has_ended(end: str) -> None:
    room, _ = count_down(started(), NOW + (10_000 if end == "zero" else 4_000))
    if end == "cancel":
        room = rules.apply(room, room.seq + 1, rules.cancel(room, Cancel(), "scheduler-2"))
    assert not room.is_under_way
    assert rules.next_due(room) is None
    again = rules.start(room, Start(from_=3), NOW + 20_000, "run-2", "scheduler-1")
    assert (again.run, again.from_, again.starts_at) == ("run-2", 3, NOW + 20_000)


def test_a_cancel_tells_the_last_tick_or_null_before_the_first() -> None:
    room = started()
    assert rules.cancel(room, Cancel(), "scheduler-2").remaining is None
    room, _ = count_down(room, NOW + 3000)
    cancelled = rules.cancel(room, Cancel(), "scheduler-2")
    assert (cancelled.remaining, cancelled.run, cancelled.by) == (7, "run-1", "scheduler-2")


def test_there_is_nothing_to_cancel_where_nothing_counts() -> None:
    with pytest.raises(NothingUnderWay):
        rules.cancel(Countdown(), Cancel(), "scheduler-1")
    finished, _ = count_down(started(), NOW + 10_000)
    with pytest.raises(NothingUnderWay):
        rules.cancel(finished, Cancel(), "scheduler-1")


def test_a_start_may_lie_a_day_ahead_and_no_further() -> None:
    ahead = rules.start(Countdown(), Start(starts_at=NOW + MAX_LEAD_MS), NOW, "r", "s")
    assert rules.decide(rules.apply(Countdown(), 1, ahead), NOW + 5000, "s") is None
    with pytest.raises(RequestError, match=r"^starts_at: .* more than 24 hours ahead"):
        rules.start(Countdown(), Start(starts_at=NOW + MAX_LEAD_MS + 1), NOW, "r", "s")
    with pytest.raises(RequestError, match=r"^starts_at: .* has passed"):
        rules.start(Countdown(), Start(starts_at=NOW - 60_000), NOW, "r", "s")


def test_an_entry_that_is_known_changes_nothing() -> None:
    room = started()
    assert rules.apply(room, 1, None) is room


def test_an_entry_that_is_no_event_counts_for_the_sequence_only() -> None:
    room = started()
    after = rules.apply(room, 9, None)
    assert (after.seq, after.last) == (9, room.last)


def test_the_last_event_alone_is_the_whole_state() -> None:
    room, _ = count_down(started(from_=5, interval_ms=200), NOW + 500)
    last: Event | None = room.last
    restarted = rules.apply(Countdown(), room.seq, last)
    assert restarted == room
    assert rules.next_due(restarted) == NOW + 600
    assert isinstance(last, Tick | Started | Cancelled)


def test_nothing_is_decided_behind_an_event_of_a_newer_version() -> None:
    room, _ = count_down(started(), NOW + 2000)
    scrubbed = rules.apply(room, 9, Unknown(type="scrubbed", room="main", run="run-1"))
    assert rules.next_due(scrubbed) is None
    assert rules.decide(scrubbed, NOW + 60_000, "scheduler-1") is None
    with pytest.raises(NotUnderstood, match="scrubbed"):
        rules.start(scrubbed, Start(), NOW, "run-2", "scheduler-1")
    with pytest.raises(NotUnderstood):
        rules.cancel(scrubbed, Cancel(), "scheduler-1")
    with pytest.raises(NotUnderstood):
        rules.hold(scrubbed, Hold(), NOW, "id", "scheduler-1")


def test_a_run_goes_on_behind_what_was_removed_from_the_stream() -> None:
    room, ticks = count_down(started(), NOW + 2000)
    for left in (0, room.seq - 1):
        after = rules.removed(room, left)
        assert after.seq == left
        tick = rules.decide(after, NOW + 3000, "scheduler-1")
        assert tick is not None
        assert tick.remaining == ticks[-1].remaining - 1


def test_nothing_is_known_of_a_room_without_a_run_of_which_nothing_is_left() -> None:
    room, _ = count_down(started(), NOW + 60_000)
    assert rules.removed(room, 0) == Countdown()
    assert rules.removed(room, 3) == Countdown(3, room.last)


def ended(how: str) -> Countdown:
    room, _ = count_down(started(from_=3), NOW + (60_000 if how == "finished" else 1_000))
    if how == "scheduled":
        return started(from_=3)
    if how == "cancelled":
        return rules.apply(room, room.seq + 1, rules.cancel(room, Cancel(), "scheduler-2"))
    return room


@pytest.mark.parametrize("state", ["scheduled", "running", "finished", "cancelled"])
def test_a_start_that_is_repeated_is_answered_as_it_was(state: str) -> None:
    first, room = started(from_=3).last, ended(state)
    again = rules.start(room, Start(run="run-1", from_=3), NOW + 90_000, "run-2", "scheduler-2")
    assert isinstance(first, Started)
    assert msgspec.structs.replace(again, by=first.by) == first
    assert rules.has_happened(room, again)


@pytest.mark.parametrize(
    "terms",
    [
        *({"from_": 4}, {"interval_ms": 500}, {"starts_at": NOW + 1}),
        *({"after_zero": "count"}, {"warning": 2}, {"danger": 1}),
    ],
)
def test_the_same_run_with_other_terms_is_refused_with_its_last_event(
    terms: dict[str, int | str],
) -> None:
    room = ended("running")
    with pytest.raises(OtherTerms, match=r"^run: 'run-1' was started before") as refusal:
        rules.start(room, Start(**{"run": "run-1", "from_": 3} | terms), NOW, "run-2", "s")  # type: ignore[arg-type]
    assert refusal.value.last == room.last


def test_a_start_that_names_another_run_is_a_start_like_any_other() -> None:
    with pytest.raises(RunUnderWay):
        rules.start(ended("running"), Start(run="run-2"), NOW, "run-3", "s")
    room = ended("finished")
    event = rules.start(room, Start(run="run-2"), NOW, "run-3", "s")
    assert event.run == "run-2"
    assert not rules.has_happened(room, event)


def test_a_cancel_that_names_a_run_cancels_no_other() -> None:
    room = ended("running")
    with pytest.raises(RunUnderWay) as refusal:
        rules.cancel(room, Cancel(run="run-0"), "s")
    assert refusal.value.last.run == "run-1"
    event = rules.cancel(room, Cancel(run="run-1"), "s")
    assert event.run == "run-1"
    assert not rules.has_happened(room, event)


def test_a_cancel_that_is_repeated_is_answered_as_it_was() -> None:
    room = ended("cancelled")
    again = rules.cancel(room, Cancel(run="run-1"), "another")
    assert again == room.last
    assert rules.has_happened(room, again)
    for run in (None, "run-0"):
        with pytest.raises(NothingUnderWay):
            rules.cancel(room, Cancel(run=run), "s")


def held(at: int, **terms: int | str) -> Countdown:
    room, _ = count_down(started(**terms), at)
    return follow(room, rules.hold(room, Hold(), at, "hold-1", "scheduler-2"))


def follow(room: Countdown, event: Event) -> Countdown:
    return rules.apply(room, room.seq + 1, event)


def test_a_hold_keeps_what_was_left_of_the_second() -> None:
    room = held(NOW + 3400)
    last = room.last
    assert isinstance(last, Held)
    assert (last.held_at, last.remaining, last.change) == (NOW + 3400, 7, "hold:hold-1")
    assert rules.decide(room, NOW + 900_000, "scheduler-1") is None
    resumed = rules.resume(room, Resume(), NOW + 63_400, "resume-1", "scheduler-1")
    assert (resumed.at, resumed.held_at, resumed.remaining) == (NOW + 63_400, None, 7)
    _, ticks = count_down(follow(room, resumed), NOW + 900_000)
    assert [tick.remaining for tick in ticks] == [6, 5, 4, 3, 2, 1, 0]
    assert [tick.due_at - NOW for tick in ticks] == [64_000 + k * 1000 for k in range(7)]


def test_a_run_can_be_held_before_it_begins() -> None:
    room = held(NOW + 1000, starts_at=NOW + 5000)
    resumed = rules.resume(room, Resume(), NOW + 31_000, "resume-1", "s")
    _, ticks = count_down(follow(room, resumed), NOW + 900_000)
    assert (ticks[0].remaining, ticks[0].due_at, len(ticks)) == (10, NOW + 35_000, 11)


def test_a_tick_that_is_due_is_stored_before_a_change() -> None:
    room, _ = count_down(started(), NOW + 1999)
    for event in (
        rules.hold(room, Hold(), NOW + 2000, "id", "s"),
        rules.adjust(room, Adjust(seconds=10), NOW + 2000, "id", "s"),
    ):
        assert isinstance(event, Tick)
        assert event.remaining == 8


def test_a_hold_that_a_slow_clock_decides_is_no_earlier_than_the_last_tick() -> None:
    room, _ = count_down(started(), NOW + 2000)
    event = rules.hold(room, Hold(), NOW + 1700, "hold-1", "slow")
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
    event = rules.adjust(room, Adjust(seconds=seconds), NOW + 3400, "adjust-1", "s")
    assert isinstance(event, Adjusted)
    assert (event.at, event.remaining) == (NOW + 3400, numbers[0] + 1)
    room, ticks = count_down(follow(room, event), NOW + 900_000)
    assert [tick.remaining for tick in ticks][:2] == numbers[:2]
    assert ticks[0].due_at == NOW + first_due
    assert (ticks[-1].remaining, room.is_under_way) == (0, False)


def test_an_adjustment_in_long_steps_moves_the_next_number() -> None:
    room, _ = count_down(started(interval_ms=60_000), NOW + 90_000)  # shows 9, for 30 s more
    event = rules.adjust(room, Adjust(seconds=45), NOW + 90_000, "adjust-1", "s")
    assert isinstance(event, Adjusted)
    assert event.zero_at == NOW + 10 * 60_000 + 45_000
    _, ticks = count_down(follow(room, event), NOW + 9_000_000)
    assert (ticks[0].remaining, ticks[0].due_at) == (9, NOW + 105_000)


def test_a_little_more_time_at_the_first_number_makes_it_a_run_from_one_more() -> None:
    room, _ = count_down(started(interval_ms=60_000), NOW + 200)  # shows 10, for 59.8 s more
    event = rules.adjust(room, Adjust(seconds=10), NOW + 200, "adjust-1", "s")
    assert isinstance(event, Adjusted)
    assert (event.from_, event.remaining, event.zero_at) == (11, 11, NOW + 610_000)


def test_a_held_run_is_adjusted_and_stays_held_but_for_zero() -> None:
    room = held(NOW + 3400)
    event = rules.adjust(room, Adjust(seconds=5), NOW + 50_000, "adjust-1", "s")
    assert isinstance(event, Adjusted)
    assert (event.held_at, event.remaining) == (NOW + 3400, 12)
    resumed = rules.resume(follow(room, event), Resume(), NOW + 60_000, "resume-1", "s")
    assert resumed.due(11) == NOW + 60_600
    event = rules.adjust(room, Adjust(seconds=-7), NOW + 50_000, "adjust-1", "s")
    assert (event.held_at, event.remaining) == (None, 1)
    tick = rules.decide(follow(room, event), NOW + 50_000, "s")
    assert tick is not None
    assert (tick.remaining, tick.due_at) == (0, NOW + 50_000)


def test_an_adjustment_that_can_not_be_names_the_field() -> None:
    room, _ = count_down(started(from_=MAX_FROM - 5), NOW)
    with pytest.raises(RequestError, match=r"^seconds: 6 makes it a run from more than 86400"):
        rules.adjust(room, Adjust(seconds=6), NOW + 1, "adjust-1", "s")
    scheduled = started(starts_at=NOW + 5000)
    with pytest.raises(RequestError, match=r"^seconds: -10 leaves nothing of the run"):
        rules.adjust(scheduled, Adjust(seconds=-10), NOW, "adjust-1", "s")
    event = rules.adjust(scheduled, Adjust(seconds=-9), NOW, "adjust-1", "s")
    assert (event.from_, event.starts_at, event.remaining) == (1, NOW + 5000, None)


@pytest.mark.parametrize("id", ["mine", None])
def test_a_change_that_is_repeated_is_answered_and_not_done_again(id: str | None) -> None:
    """Also by a scheduler that made up the id, and after ticks."""
    room, _ = count_down(started(), NOW + 3400)
    request = Adjust(seconds=10, id=id)
    event = rules.adjust(room, request, NOW + 3400, "made-up", "s")
    room, _ = count_down(follow(room, event), NOW + 6000)
    again = rules.adjust(room, request, NOW + 6100, "made-up", "s")
    assert rules.has_happened(room, again)  # type: ignore[arg-type]
    assert again.zero_at == event.zero_at
    room = held(NOW + 3400)
    assert room.last is not None
    again_held = rules.hold(room, Hold(), NOW + 5000, "hold-2", "s")
    assert again_held == room.last
    assert rules.has_happened(room, again_held)  # type: ignore[arg-type]
    resume = Resume(id=id)
    room = follow(room, rules.resume(room, resume, NOW + 5000, "made-up", "s"))
    room, _ = count_down(room, NOW + 900_000)
    assert not room.is_under_way
    assert rules.has_happened(room, rules.resume(room, resume, NOW + 900_000, "made-up", "s"))


def test_there_is_nothing_to_change_where_nothing_is_under_way() -> None:
    finished, _ = count_down(started(), NOW + 10_000)
    running, _ = count_down(started(), NOW + 2000)
    for room in (Countdown(), finished):
        with pytest.raises(NothingUnderWay):
            rules.hold(room, Hold(), NOW, "id", "s")
        with pytest.raises(NothingUnderWay):
            rules.adjust(room, Adjust(seconds=1), NOW, "id", "s")
    with pytest.raises(RunUnderWay):
        rules.hold(running, Hold(run="run-0"), NOW, "id", "s")
    with pytest.raises(NotHeld) as refusal:
        rules.resume(running, Resume(), NOW, "id", "s")
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
    resumed = rules.resume(room, Resume(), NOW + 4000, "resume-1", "s")
    assert isinstance(resumed, Resumed)
    room, ticks = count_down(follow(room, resumed), NOW + 900_000)
    assert {(t.after_zero, t.warning, t.danger, t.change) for t in ticks} == {
        ("count", 5, 3, "resume:resume-1")
    }


def test_a_start_whose_run_was_changed_since_agrees_with_any_terms() -> None:
    room = held(NOW + 3400)
    again = rules.start(room, Start(run="run-1", from_=4), NOW + 9000, "x", "s")
    assert rules.has_happened(room, again)
