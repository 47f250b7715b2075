"""What an auditor finds wrong in a room's history, and what it does not."""

from itertools import pairwise

import msgspec
import pytest
from msgspec.structs import replace

from auditor import history
from auditor.history import Event
from auditor.room import Room
from protocol import changes, events, rules
from protocol.events import PlannedHold
from protocol.requests import Adjust, Cancel, Hold, Recycle, Resume, Start
from protocol.rules import Countdown

NOW = 1_795_420_800_000


class Story:
    """A room's history by the rules, and the room as an auditor follows it."""

    def __init__(self, start: Start | None = None) -> None:
        self.countdown, self.now, self.stored = Countdown(), NOW, list[Event]()
        self._runs = 0
        self.start(start or Start(from_=5))

    def start(self, start: Start) -> None:
        self._runs += 1
        self._store(
            rules.start(self.countdown, start, self.now, f"run-{self._runs}", "scheduler-1")
        )

    def wait(self, ms: int) -> None:
        """Let time pass; what is due meanwhile is stored."""
        end = self.now + ms
        while (due := rules.next_due(self.countdown)) is not None and due <= end:
            self.now = due
            self._store(rules.decide(self.countdown, due, "scheduler-1"))
        self.now = end

    def do(self, command: Hold | Resume | Adjust | Recycle | Cancel) -> None:
        id, by, now = f"id-{len(self.stored)}", "scheduler-2", self.now
        match command:
            case Hold():
                self._store(changes.hold(self.countdown, command, now, id, by))
            case Resume():
                self._store(changes.resume(self.countdown, command, now, id, by))
            case Adjust():
                self._store(changes.adjust(self.countdown, command, now, id, by))
            case Recycle():
                self._store(changes.recycle(self.countdown, command, now, id, by))
            case Cancel():
                self._store(rules.cancel(self.countdown, command, by))

    def _store(self, event: events.Event | None) -> None:
        assert event is not None
        seq = self.countdown.seq + 1
        self.countdown = rules.apply(self.countdown, seq, event)
        read = history.decode(seq, self.now, events.encode(event))
        assert read is not None
        self.stored.append(read)


def counted(start: Start | None = None, ms: int = 60_000) -> list[Event]:
    story = Story(start)
    story.wait(ms)
    return story.stored


def kinds(stored: list[Event], skew_ms: float = 0.0) -> list[str]:
    room = Room()
    return [found.kind for event in stored for found in room.take(event, skew_ms)]


def cancelled() -> list[Event]:
    story = Story()
    story.wait(1500)
    story.do(Cancel())
    return story.stored


def eventful() -> Story:
    """Held, resumed, given more time, taken back, held by plan; and another run in the room."""
    story = Story(Start(from_=6, after_zero="count", holds=(PlannedHold(at=3, for_ms=700),)))
    story.wait(1500)
    story.do(Hold())
    story.wait(400)
    story.do(Recycle(to=9))
    story.wait(50)
    story.do(Adjust(seconds=2))
    story.wait(100)
    story.do(Resume())
    story.wait(60_000)
    story.do(Cancel())
    story.start(Start(from_=100_000, interval_ms=100))
    story.wait(1_360_500)
    return story


def test_a_room_in_which_much_happens_breaks_no_rule() -> None:
    story = eventful()
    assert len(story.stored) > 25
    assert kinds(story.stored) == []


def test_an_auditor_that_begins_anywhere_raises_no_alarm() -> None:
    story = eventful()
    for begin in range(len(story.stored)):
        assert kinds(story.stored[begin:]) == []


def test_an_event_that_was_removed_and_is_stored_again_breaks_no_rule() -> None:
    run = counted(Start(from_=3, interval_ms=2000))
    again = [event for one in run for event in [one] * (1 + (not one.is_end))]
    assert kinds([replace(event, seq=seq) for seq, event in enumerate(again)]) == []


COUNTED, CANCELLED = counted(), cancelled()
PLANNED = counted(Start(from_=3, holds=(PlannedHold(at=2, for_ms=700),)))
"""Started, 3, 2 held, resumed by itself, 1, 0."""
BROKEN = {
    "a tick is there twice": ([*COUNTED[:4], COUNTED[3], *COUNTED[4:]], ["duplicate"]),
    "the last tick is there twice": ([*COUNTED, COUNTED[-1]], ["duplicate"]),
    "another scheduler stores a tick again": (
        [*COUNTED[:4], replace(COUNTED[3], by="scheduler-2"), *COUNTED[4:]],
        ["duplicate"],
    ),
    "an earlier tick is there twice": (
        [*COUNTED[:4], COUNTED[2], *COUNTED[3:]],
        ["duplicate", "duplicate"],
    ),
    "a number is missing": ([*COUNTED[:3], *COUNTED[4:]], ["out_of_order"]),
    "two numbers are exchanged": (
        [*COUNTED[:3], COUNTED[4], COUNTED[3], *COUNTED[5:]],
        ["out_of_order"] * 3,
    ),
    "a run begins with a tick": ([CANCELLED[-1], *COUNTED[1:]], ["after_end"] * 6),
    "another run begins with a tick": (
        [*CANCELLED, *(replace(event, run="other") for event in COUNTED[1:])],
        ["out_of_order"],
    ),
    "a run starts while another one counts": (
        [*COUNTED[:4], *(replace(event, run="other") for event in COUNTED)],
        ["out_of_order"],
    ),
    "a tick comes after the cancel": ([*CANCELLED, COUNTED[3]], ["after_end"]),
    "a run that was cancelled counts on": ([*CANCELLED, *COUNTED[3:]], ["after_end"] * 4),
    "a tick of the last run comes in the next": (
        [*CANCELLED, replace(COUNTED[0], run="next"), COUNTED[3]],
        ["after_end"],
    ),
    "something follows zero": ([*COUNTED, CANCELLED[-1]], ["after_end"]),
    "a tick is emitted early": (
        [*COUNTED[:2], replace(COUNTED[2], emitted=NOW + 999), *COUNTED[3:]],
        ["early"],
    ),
    "a tick is stored early": (
        [*COUNTED[:2], replace(COUNTED[2], stored_at=NOW + 999), *COUNTED[3:]],
        ["early"],
    ),
    "a planned hold ends early": (
        [*PLANNED[:3], replace(PLANNED[3], stored_at=NOW + 1699), *PLANNED[4:]],
        ["early"],
    ),
    "a tick is due at another time": (
        [*COUNTED[:2], replace(COUNTED[2], due=NOW + 900), *COUNTED[3:]],
        ["terms"],
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_it_is_found_if(name: str) -> None:
    stored, found = BROKEN[name]
    assert kinds(stored) == found


def test_a_server_s_clock_may_be_behind_by_the_skew_and_no_more() -> None:
    stored = [replace(event, stored_at=event.stored_at - 300) for event in COUNTED]
    assert kinds(stored, skew_ms=300) == []
    assert kinds(stored, skew_ms=299) == ["early"] * 6


def test_of_a_gap_it_is_said_how_many_ticks_are_missing() -> None:
    room = Room()
    [start, *ticks] = counted(Start(from_=8_640_000, interval_ms=60_000), 1)
    for event in (start, *ticks):
        room.take(event, 0)
    last = ticks[-1]
    zero = replace(last, remaining=0, due=last.due_by_terms(0), emitted=last.due_by_terms(0))
    [violation] = room.take(replace(zero, seq=9, stored_at=zero.due or 0), 0)
    assert violation.missing == 8_640_000 // 3600 - 1 - 86_400 // 3600 + 86_400


@pytest.mark.parametrize("first", [5, 86_399, 86_400, 86_401, 90_000, 93_601])
def test_the_numbers_with_a_tick_are_those_of_the_contract(first: int) -> None:
    [start, *_] = counted(Start(from_=first, holds=(PlannedHold(at=min(first, 88_001)),)), 0)
    numbers = [number for number in range(first, -1, -1) if start.has_tick(number)]
    for above, below in pairwise(numbers[:3000]):
        assert start.below(above) == below
        assert all(
            start.below(number) == below for number in range(max(below + 1, above - 9), above)
        )
    for low in (-1, 0, 3, 86_400, 86_401, 88_000, first - 1):
        assert start.ticks(first, low) == sum(number > low for number in numbers)


def test_a_field_of_a_newer_version_does_not_hide_an_event() -> None:
    payload = msgspec.json.encode(
        msgspec.json.decode(
            events.encode(rules.start(Countdown(), Start(), NOW, "run-1", "scheduler-1"))
        )
        | {"seq": "x", "stored_at": None, "colour": [1]}
    )
    event = history.decode(7, NOW, payload)
    assert event is not None
    assert event.seq == 7
