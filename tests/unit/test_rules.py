"""The rules of one room, by example."""

import msgspec
import pytest

from protocol import changes, rules
from protocol.events import (
    Cancelled,
    Event,
    Started,
    Tick,
    Unknown,
)
from protocol.refusals import NothingUnderWay, NotUnderstood, OtherTerms, RunUnderWay
from protocol.requests import MAX_LEAD_MS, Cancel, Hold, RequestError, Start
from protocol.rules import Countdown
from support.runs import NOW, count_down, started


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


def test_a_start_may_lie_a_hundred_days_ahead_and_no_further() -> None:
    ahead = rules.start(Countdown(), Start(starts_at=NOW + MAX_LEAD_MS), NOW, "r", "s")
    assert rules.decide(rules.apply(Countdown(), 1, ahead), NOW + 5000, "s") is None
    with pytest.raises(RequestError, match=r"^starts_at: .* more than 100 days ahead"):
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
        changes.hold(scrubbed, Hold(), NOW, "id", "scheduler-1")


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
