"""The checker accepts every history that the rules make, and sees whatever is changed in one."""

from collections.abc import Iterator, Sequence
from contextlib import suppress

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

import auditor.history as history
from auditor.history import Event
from protocol import changes, events, rules
from protocol.events import PlannedHold
from protocol.refusals import NotHeld, NothingUnderWay
from protocol.requests import Adjust, Cancel, Hold, Recycle, RequestError, Resume, Start
from protocol.rules import Countdown

from .checker import check

NOW = 1_795_420_800_000
OVER = 10_000_000
DENSE, SPARSE = 6, 3
Command = Hold | Resume | Adjust | Recycle | Cancel
commands = (
    st.sampled_from([Hold(), Hold(), Resume(), Resume(), Cancel()])
    | st.builds(Adjust, seconds=st.integers(-4, 9))
    | st.builds(Recycle, to=st.integers(1, 12))
)
holds = st.lists(
    st.builds(
        PlannedHold, at=st.integers(1, 12), for_ms=st.sampled_from([None, 100, 1500, 20_000])
    ),
    max_size=3,
    unique_by=lambda hold: hold.at,
)


@pytest.fixture(scope="module", autouse=True)
def few_numbers_have_a_tick() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for module in (rules, history):
            patch.setattr(module, "DENSE", DENSE)
            patch.setattr(module, "SPARSE", SPARSE)
        yield


def made(start: Start, steps: Sequence[tuple[int, Command]]) -> list[Event]:
    """The history of a run by the rules: so many milliseconds after the start, or after the
    previous command, each command that is possible then; resumed at last, and counted to zero."""
    room, now, stored = Countdown(), NOW, list[Event]()

    def store(event: events.Event | None) -> None:
        nonlocal room
        assert event is not None
        room = rules.apply(room, room.seq + 1, event)
        entry = history.decode(room.seq, now, events.encode(event))
        assert entry is not None
        stored.append(entry)

    def decided(command: Command) -> events.Change | events.Cancelled:
        id, by = f"id-{len(stored)}", "scheduler-2"
        match command:
            case Hold():
                return changes.hold(room, command, now, id, by)
            case Resume():
                return changes.resume(room, command, now, id, by)
            case Adjust():
                return changes.adjust(room, command, now, id, by)
            case Recycle():
                return changes.recycle(room, command, now, id, by)
        return rules.cancel(room, command, by)

    store(rules.start(room, start, NOW, "run-1", "scheduler-1"))
    for ms, command in [*steps, (1, Resume()), *[(OVER, Resume())] * 4]:
        end = now + ms
        while (due := rules.next_due(room)) is not None and due <= end:
            now = due
            store(rules.decide(room, now, "scheduler-1"))
        now = end
        with suppress(NotHeld, NothingUnderWay, RequestError):
            event = decided(command)
            if not rules.has_happened(room, event):
                store(event)
    return stored


@settings(max_examples=300, deadline=None)
@given(
    st.builds(
        Start,
        from_=st.integers(1, 6) | st.just(12),
        interval_ms=st.sampled_from([300, 1000]),
        starts_at=st.sampled_from([NOW, NOW + 700]),
        after_zero=st.sampled_from(["stop", "count"]),
    ),
    holds,
    st.lists(st.tuples(st.integers(0, 2500), commands), max_size=8),
)
def test_every_history_by_the_rules_is_accepted(
    start: Start, holds: list[PlannedHold], steps: list[tuple[int, Command]]
) -> None:
    planned = tuple(hold for hold in holds if hold.at <= start.from_)
    start = msgspec.structs.replace(start, holds=planned)
    verdict = check(made(start, steps))
    assert (verdict.lost, verdict.duplicated, verdict.wrong) == (0, 0, [])


HISTORY = made(
    Start(from_=5),
    [
        (1500, Hold()),
        (700, Resume()),
        (1000, Adjust(seconds=2)),
        (500, Hold()),
        (300, Adjust(seconds=-1)),
    ],
)
"""Ticks 5 and 4, held and resumed, tick 3, two seconds more, tick 4, held, a second less, resumed,
ticks 2, 1 and 0."""
PLANNED = made(
    Start(from_=5, holds=(PlannedHold(at=4, for_ms=700), PlannedHold(at=2))),
    [(6000, Recycle(to=3)), (500, Resume())],
)
"""Tick 5, 4 held for 700 ms, resumed by itself, ticks 3 and 2, held, recycled to 3, resumed, tick
2, held, resumed, ticks 1 and 0."""


def planned(index: int, **fields: object) -> list[Event]:
    """The history with planned holds with other fields in one event."""
    return [*PLANNED[:index], replace(PLANNED[index], **fields), *PLANNED[index + 1 :]]


def changed(index: int, **fields: object) -> list[Event]:
    """The history with other fields in one event."""
    return [*HISTORY[:index], replace(HISTORY[index], **fields), *HISTORY[index + 1 :]]


def ordered(*indexes: int) -> list[Event]:
    """Some events of the history, in this order."""
    return [HISTORY[index] for index in indexes]


ALL = range(len(HISTORY))
TICK_IN_HOLD = replace(
    HISTORY[5], starts_at=NOW, change="hold:id-3", held_at=NOW + 1500, due=NOW + 2000
)
BROKEN = {
    "a tick is lost": ordered(0, 1, *ALL[3:]),
    "a tick is lost after a resume": ordered(*ALL[:5], *ALL[6:]),
    "the last tick is lost": ordered(*ALL[:-1]),
    "a tick comes twice": ordered(*ALL[:3], 2, *ALL[3:]),
    "ticks are out of order": ordered(0, 2, 1, *ALL[3:]),
    "a tick is due by the terms before the hold": changed(5, due=NOW + 2000),
    "a tick has the terms before the adjustment": changed(7, first=5),
    "a tick comes while it is held": [*HISTORY[:4], TICK_IN_HOLD, *HISTORY[4:]],
    "a hold does not say since when": changed(8, held_at=None),
    "a tick that was due is stored after the hold": changed(3, held_at=NOW + 2000),
    "a hold takes a number": changed(3, remaining=3),
    "a hold moves the run": changed(3, starts_at=NOW + 1),
    "a resume takes a number": changed(4, remaining=3),
    "a resume is a millisecond off": changed(4, starts_at=NOW + 701),
    "a resume leaves it held": changed(4, held_at=NOW + 1500),
    "a resume of nothing": ordered(0, 1, 2, *ALL[4:]),
    "an adjustment is a millisecond off": changed(6, starts_at=NOW + 701),
    "an adjustment by another number": changed(6, seconds=1),
    "an adjustment takes a number": changed(6, remaining=4),
    "an adjustment repeats a number": changed(6, remaining=6),
    "an adjustment resumes": changed(9, held_at=None),
    "a change is made twice": changed(8, change="hold:id-3"),
    "a change has no id": changed(3, change=None),
    "something follows zero": ordered(*ALL, 3),
    "something follows a cancel": [
        *HISTORY[:3],
        replace(HISTORY[2], type="cancelled"),
        *HISTORY[3:],
    ],
    "a cancel takes a number": [*HISTORY[:3], replace(HISTORY[2], type="cancelled", remaining=3)],
    "the run changes its phases": changed(5, warning=3),
    "a planned hold does not come": planned(2, held_at=None, held_until=None),
    "a planned hold begins late": planned(2, held_at=NOW + 1001),
    "a planned hold has another end": planned(2, held_until=NOW + 1800),
    "a planned hold has no end": planned(2, held_until=None),
    "a hold comes that was not planned": planned(4, held_at=NOW + 2700),
    "a planned hold ends a millisecond late": planned(3, at=NOW + 1701, starts_at=NOW + 701),
    "a planned hold ends twice": [
        *PLANNED[:4],
        replace(PLANNED[3], by="scheduler-2"),
        *PLANNED[4:],
    ],
    "a planned hold is not ended": [*PLANNED[:3], *PLANNED[4:]],
    "somebody resumes when it has ended": planned(3, change="resume:id-9"),
    "the run forgets its holds": planned(4, holds=()),
    "a recycle resumes": planned(6, held_at=None),
    "a recycle is a millisecond off": planned(6, starts_at=PLANNED[6].starts_at + 1),
    "a recycle goes elsewhere": planned(6, remaining=4),
    "a tick is lost after a recycle": [*PLANNED[:8], *PLANNED[9:]],
    "a number without a tick has one": [
        replace(PLANNED[0], first=9, holds=()),
        *(
            replace(PLANNED[1], first=9, remaining=number, due=NOW + (9 - number) * 1000, holds=())
            for number in (9, 8, 6, 5, 4, 3, 2, 1, 0)
        ),
    ],
}


def test_an_event_that_is_stored_again_is_accepted() -> None:
    """As a scheduler does after it was removed: the start, a hold, the tick of a planned one."""
    verdict = check(
        [HISTORY[0], *(replace(event, seq=99) for event in ordered(0, 0, *ALL[1:4], *ALL[3:]))]
    )
    assert (verdict.lost, verdict.duplicated, verdict.wrong) == (0, 0, [])
    again = check(
        [
            replace(event, seq=99)
            for one in PLANNED
            for event in [one] * (1 + (one.held_at is not None))
        ]
    )
    assert (again.lost, again.duplicated, again.wrong) == (0, 0, [])


@pytest.mark.parametrize("name", BROKEN)
def test_a_history_is_not_accepted_if(name: str) -> None:
    verdict = check(BROKEN[name])
    assert verdict.lost or verdict.duplicated or verdict.wrong
