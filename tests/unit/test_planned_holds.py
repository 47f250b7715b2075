"""Planned holds, recycling and days, by example."""

import json

import pytest

from protocol import changes, events, requests, rules
from protocol.events import MAX_FROM, Held, PlannedHold, Recycled, Resumed, Started, Tick
from protocol.refusals import NotHeld, NothingUnderWay, OtherTerms, RunUnderWay
from protocol.requests import Adjust, Cancel, Hold, Recycle, RequestError, Resume, Start
from protocol.rules import Countdown
from protocol.state import state_of
from support.runs import NOW, count_down, follow, started

TIMED = PlannedHold(at=7, for_ms=60_000)
OPEN = PlannedHold(at=4)
PLANNED = (TIMED, OPEN)


def counted(ms: int, *holds: PlannedHold, from_: int = 10) -> Countdown:
    """A run with planned holds, so many milliseconds after its start."""
    return count_down(planned(*holds, from_=from_), NOW + ms)[0]


def planned(*holds: PlannedHold, from_: int = 10) -> Countdown:
    request = Start(from_=from_, holds=holds)
    return follow(Countdown(), rules.start(Countdown(), request, NOW, "run-1", "scheduler-1"))


def numbers(room: Countdown, now: int = NOW + 10**12) -> list[int]:
    """The numbers of the ticks that follow until `now`, or until the run is held."""
    return [tick.remaining for tick in count_down(room, now)[1]]


def test_the_tick_of_a_number_with_a_planned_hold_is_stored_held() -> None:
    room, ticks = count_down(planned(*PLANNED), NOW + 3500)
    assert [tick.held_at for tick in ticks] == [None, None, None, NOW + 3000]
    assert (ticks[-1].remaining, ticks[-1].held_until) == (7, NOW + 63_000)
    state = state_of(room)
    assert (state.status, state.held_at, state.held_until) == ("held", NOW + 3000, NOW + 63_000)
    assert state.holds == PLANNED


def test_a_planned_hold_ends_when_it_was_planned_to_end_however_late_that_is_stored() -> None:
    room = counted(3500, *PLANNED)
    assert rules.next_due(room) == NOW + 63_000
    assert rules.decide(room, NOW + 62_999, "scheduler-2") is None
    event = rules.decide(room, NOW + 70_000, "scheduler-2")
    assert isinstance(event, Resumed)
    assert (event.at, event.by, event.change) == (NOW + 63_000, "scheduler-2", None)
    assert (event.held_at, event.held_until, event.remaining) == (None, None, 7)
    _, ticks = count_down(follow(room, event), NOW + 10**9)
    assert [tick.due_at - NOW for tick in ticks] == [64_000, 65_000, 66_000]
    assert ticks[-1].held_at == ticks[-1].due_at


def test_a_planned_hold_without_an_end_lasts_until_somebody_resumes() -> None:
    room = counted(6500, OPEN)
    assert (rules.next_due(room), rules.decide(room, NOW + 10**12, "s")) == (None, None)
    event = changes.resume(room, Resume(), NOW + 90_000, "resume-1", "s")
    assert numbers(follow(room, event)) == [3, 2, 1, 0]


def test_a_resume_ends_a_planned_hold_earlier() -> None:
    room = counted(3500, TIMED)
    event = changes.resume(room, Resume(), NOW + 13_000, "resume-1", "s")
    assert (event.starts_at, event.held_until) == (NOW + 10_000, None)
    assert rules.next_due(follow(room, event)) == NOW + 14_000


def test_a_hold_during_a_planned_one_takes_its_end_away() -> None:
    room, request = counted(3500, TIMED), Hold(id="mine")
    event = changes.hold(room, request, NOW + 9000, "hold-1", "s")
    assert not rules.has_happened(room, event)
    assert (event.held_at, event.held_until) == (NOW + 3000, None)
    assert event.change == "hold:mine"
    room = follow(room, event)
    assert rules.decide(room, NOW + 10**12, "s") is None
    again = changes.hold(room, request, NOW + 10_000, "hold-2", "s")
    assert rules.has_happened(room, again)


def test_a_hold_of_a_run_that_is_held_by_plan_without_an_end_changes_nothing() -> None:
    room = counted(6500, OPEN)
    event = changes.hold(room, Hold(), NOW + 9000, "hold-1", "s")
    assert isinstance(event, Held)
    assert rules.has_happened(room, event)
    assert (event.remaining, event.held_at, event.change) == (4, NOW + 6000, None)


def test_a_hold_may_be_planned_at_the_first_number_and_at_the_last_before_zero() -> None:
    room, ticks = count_down(planned(PlannedHold(at=10), PlannedHold(at=1)), NOW + 10**9)
    assert [(tick.remaining, tick.held_at) for tick in ticks] == [(10, NOW)]
    resumed = changes.resume(room, Resume(), NOW + 5000, "resume-1", "s")
    room, ticks = count_down(follow(room, resumed), NOW + 10**9)
    assert (ticks[-1].remaining, ticks[-1].held_at) == (1, NOW + 14_000)
    resumed = changes.resume(room, Resume(), NOW + 20_000, "resume-2", "s")
    assert numbers(follow(room, resumed)) == [0]


def test_an_adjustment_leaves_a_planned_hold_its_end_but_for_zero() -> None:
    room = counted(3500, TIMED)
    more = changes.adjust(room, Adjust(seconds=5), NOW + 9000, "adjust-1", "s")
    assert (more.held_at, more.held_until, more.remaining) == (NOW + 3000, NOW + 63_000, 12)
    none = changes.adjust(room, Adjust(seconds=-7), NOW + 9000, "adjust-1", "s")
    assert (none.held_at, none.held_until, none.zero_at) == (None, None, NOW + 9000)


def test_a_planned_hold_comes_again_after_more_time_and_not_at_all_if_it_is_skipped() -> None:
    room = counted(6500, OPEN)
    resumed = changes.resume(room, Resume(), NOW + 8000, "resume-1", "s")
    room, _ = count_down(follow(room, resumed), NOW + 9500)
    more = changes.adjust(room, Adjust(seconds=3), NOW + 9500, "adjust-1", "s")
    assert numbers(follow(room, more)) == [5, 4]
    room = counted(2500, OPEN)
    less = changes.adjust(room, Adjust(seconds=-5), NOW + 2500, "adjust-1", "s")
    assert numbers(follow(room, less)) == [2, 1, 0]


def test_an_adjustment_before_the_start_may_leave_a_planned_hold_above_the_first_number() -> None:
    request = Start(starts_at=NOW + 60_000, holds=(PlannedHold(at=9), OPEN))
    room = follow(Countdown(), rules.start(Countdown(), request, NOW, "run-1", "s"))
    less = changes.adjust(room, Adjust(seconds=-3), NOW + 1, "adjust-1", "s")
    assert (less.from_, less.holds) == (7, request.holds)
    assert events.decode(events.encode(less), "main") == less
    assert numbers(follow(room, less)) == [7, 6, 5, 4]


def test_a_recycled_run_stands_at_a_number_and_is_held_without_an_end() -> None:
    room = counted(3500, *PLANNED)
    event = changes.recycle(room, Recycle(to=9), NOW + 9000, "recycle-1", "s")
    assert isinstance(event, Recycled)
    assert (event.remaining, event.at, event.from_) == (9, NOW + 9000, 10)
    assert (event.held_at, event.held_until) == (NOW + 3000, None)
    assert event.change == "recycle:recycle-1"
    room = follow(room, event)
    assert state_of(room).status == "held"
    resumed = changes.resume(room, Resume(), NOW + 20_000, "resume-1", "s")
    room, ticks = count_down(follow(room, resumed), NOW + 50_000)
    assert [(tick.remaining, tick.due_at - NOW) for tick in ticks] == [(8, 21_000), (7, 22_000)]
    assert ticks[-1].held_until == NOW + 82_000


def test_a_run_may_be_recycled_above_the_number_it_was_started_from() -> None:
    room = counted(6500, OPEN)
    event = changes.recycle(room, Recycle(to=MAX_FROM), NOW + 9000, "recycle-1", "s")
    assert (event.from_, event.due(MAX_FROM)) == (MAX_FROM, NOW + 6000)
    assert events.decode(events.encode(event), "main") == event


def test_a_recycle_that_is_repeated_is_answered_and_not_done_again() -> None:
    room, request = counted(6500, OPEN), Recycle(to=9, id="mine")
    event = changes.recycle(room, request, NOW + 9000, "new", "s")
    room = follow(room, event)
    assert changes.recycle(room, request, NOW + 9500, "new", "s") == event
    room = follow(room, rules.cancel(room, Cancel(), "s"))
    again = changes.recycle(room, request, NOW + 9600, "new", "s")
    assert rules.has_happened(room, again)
    assert events.decode(events.encode(again), "main") == again


def test_only_a_held_run_is_recycled() -> None:
    running = counted(2500, OPEN)
    with pytest.raises(NotHeld) as refusal:
        changes.recycle(running, Recycle(to=9), NOW + 3000, "id", "s")
    assert refusal.value.last == running.last
    with pytest.raises(RunUnderWay):
        changes.recycle(running, Recycle(run="run-0", to=9), NOW + 3000, "id", "s")
    with pytest.raises(NothingUnderWay):
        changes.recycle(Countdown(), Recycle(to=9), NOW + 3000, "id", "s")


# Starting them


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ('"holds":[{"at":4},{"at":4,"for_ms":1000}]', "holds: 4 is given twice"),
        ('"holds":[{"at":12}]', "holds: 12 is above `from`, 10"),
        ('"holds":[{"at":0}]', "holds[0].at: Expected `int` >= 1"),
        ('"holds":[{"at":2},{"at":3,"for_ms":99}]', "holds[1].for_ms: Expected `int` >= 100"),
        ('"holds":[{}]', "holds[0]: Object missing required field `at`"),
        ('"holds":[4]', "holds[0]: Expected `object`, got `int`"),
        ('"holds":null', "holds: Expected `array`, got `null`"),
    ],
)
def test_holds_that_are_not_valid_name_the_field(fields: str, words: str) -> None:
    with pytest.raises(RequestError) as refusal:
        requests.decode(f"{{{fields}}}".encode(), Start)
    assert str(refusal.value) == words


def test_sixteen_holds_may_be_planned_and_no_more() -> None:
    for count, is_valid in ((16, True), (17, False)):
        holds = [{"at": number} for number in range(1, count + 1)]
        payload = json.dumps({"from": 20, "holds": holds}).encode()
        if is_valid:
            assert len(requests.decode(payload, Start).holds) == count
        else:
            with pytest.raises(RequestError, match=r"^holds: "):
                requests.decode(payload, Start)


@pytest.mark.parametrize("ms", [0, 3500, 63_500, 10**9])
@pytest.mark.parametrize("starts_at", [None, NOW])
def test_a_start_with_holds_is_repeated_in_any_order_and_after_they_have_moved_the_run(
    ms: int, starts_at: int | None
) -> None:
    room = planned(*PLANNED)
    while (event := rules.decide(room, NOW + ms, "s")) is not None:
        room = follow(room, event)
    request = Start(run="run-1", holds=(OPEN, TIMED), starts_at=starts_at)
    again = rules.start(room, request, NOW + ms, "new", "s")
    assert isinstance(again, Started)
    assert rules.has_happened(room, again)
    assert again.holds == PLANNED


@pytest.mark.parametrize("holds", [(), (OPEN,), (TIMED,), (TIMED, PlannedHold(at=4, for_ms=500))])
def test_a_start_with_other_holds_is_another_one(holds: tuple[PlannedHold, ...]) -> None:
    with pytest.raises(OtherTerms):
        rules.start(planned(*PLANNED), Start(run="run-1", holds=holds), NOW + 1, "new", "s")


def test_what_a_run_does_not_have_is_left_out_of_its_events() -> None:
    for event in (started().last, count_down(started(), NOW + 1)[0].last):
        assert event is not None
        fields = json.loads(events.encode(event))
        assert not fields.keys() & {"holds", "held_at", "held_until", "change"}
        assert events.decode(json.dumps(fields).encode(), "main") == event
    tick = counted(6500, OPEN).last
    assert tick is not None
    assert json.loads(events.encode(tick))["holds"] == [{"at": 4}]


# Days


def test_far_from_zero_only_whole_hours_the_first_number_and_planned_holds_have_a_tick() -> None:
    hold = PlannedHold(at=90_007, for_ms=1000)
    room, ticks = count_down(planned(hold, from_=97_205), NOW + 10**8)
    assert [tick.remaining for tick in ticks] == [97_205, 97_200, 93_600, 90_007]
    assert [tick.due_at - NOW for tick in ticks] == [0, 5000, 3_605_000, 7_198_000]
    resumed = rules.decide(room, NOW + 10**8, "s")
    assert isinstance(resumed, Resumed)
    _, ticks = count_down(follow(room, resumed), NOW + 10_810_000)
    assert [tick.remaining for tick in ticks] == [90_000, 86_400, 86_399, 86_398, 86_397, 86_396]
    assert ticks[1].due_at == NOW + (97_205 - 86_400) * 1000 + 1000


def test_a_hundred_days_have_few_ticks_above_a_day() -> None:
    room, ticks = count_down(started(from_=MAX_FROM), NOW + (MAX_FROM - 86_401) * 1000)
    assert [tick.remaining for tick in ticks] == list(range(MAX_FROM, 86_400, -3600))
    tick = rules.decide(room, NOW + (MAX_FROM - 86_400) * 1000, "s")
    assert isinstance(tick, Tick)
    assert tick.remaining == 86_400


def test_between_two_hours_a_run_is_adjusted_held_and_recycled_to_the_second() -> None:
    room = counted(100_500, from_=100_000)  # it is 99,899.5 now
    assert isinstance(room.last, Tick)
    assert room.last.remaining == 100_000
    event = changes.adjust(room, Adjust(seconds=60), NOW + 100_500, "adjust-1", "s")
    assert (event.remaining, event.from_) == (99_960, 100_060)
    assert numbers(follow(room, event), NOW + 2_860_000) == [97_200]
    held = changes.hold(room, Hold(), NOW + 100_500, "hold-1", "s")
    resumed = changes.resume(follow(room, held), Resume(), NOW + 200_500, "resume-1", "s")
    assert rules.next_due(follow(follow(room, held), resumed)) == NOW + 2_900_000
    recycled = changes.recycle(follow(room, held), Recycle(to=97_201), NOW + 1, "recycle-1", "s")
    assert rules.next_remaining(follow(follow(room, held), recycled)) == 97_200
