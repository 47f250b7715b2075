"""Whatever a readable event says of a run, the rules make readable events of it."""

import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auditor import history
from auditor.room import Room
from protocol import changes, events, rules
from protocol.events import Event, EventError
from protocol.refusals import NotHeld, NothingUnderWay
from protocol.requests import Adjust, Cancel, Hold, Recycle, RequestError, Resume
from protocol.rules import Countdown

NOW = 1_795_420_800_000
times = st.sampled_from([10**12, NOW - 10**9, NOW - 1000, NOW, NOW + 1000, NOW + 10**9, 1 << 52])
"""From September 2001, later than the longest run could have begun in 1970, to the year 144683."""
numbers = st.sampled_from([1, 2, 10, events.DENSE + 1, events.MAX_FROM])
holds = st.lists(
    st.fixed_dictionaries(
        {"at": numbers}, optional={"for_ms": st.sampled_from([100, 1000, 604_800_000])}
    ),
    max_size=16,
)
stored = st.fixed_dictionaries(
    {
        "type": st.sampled_from(
            ["started", "held", "resumed", "adjusted", "recycled", "tick", "cancelled"]
        ),
        "room": st.just("main"),
        "run": st.just("run-1"),
        "from": numbers,
        "interval_ms": st.sampled_from([100, 300, 1000, 60_000]),
        "starts_at": times,
        "by": st.just("scheduler-1"),
        "remaining": st.none() | st.just(0) | numbers,
        "at": times,
        "seconds": st.sampled_from([-events.MAX_FROM, 0, events.MAX_FROM]),
        "due": times,
        "emitted": times,
    },
    optional={
        "held_at": times,
        "held_until": times,
        "holds": holds,
        "change": st.just("id-1"),
        "after_zero": st.just("count"),
    },
)
commands = st.lists(
    st.sampled_from(["tick", "hold", "resume", "recycle", "cancel"]) | st.integers(-9, 9)
)


def decided(room: Countdown, command: str | int, now: int, id: str) -> Event | None:
    match command:
        case "tick":
            return rules.decide(room, now, "scheduler-2")
        case "hold":
            return changes.hold(room, Hold(), now, id, "scheduler-2")
        case "resume":
            return changes.resume(room, Resume(), now, id, "scheduler-2")
        case "recycle":
            return changes.recycle(room, Recycle(to=5), now, id, "scheduler-2")
        case "cancel":
            return rules.cancel(room, Cancel(), "scheduler-2")
    return changes.adjust(room, Adjust(seconds=int(command)), now, id, "scheduler-2")


@settings(max_examples=1000, deadline=None)
@given(stored, commands)
def test_what_follows_any_event_can_be_read(
    fields: dict[str, object], commands: list[str | int]
) -> None:
    room = Countdown()
    with suppress(EventError):
        room = rules.apply(room, 1, events.decode(json.dumps(fields).encode(), "main"))
    for number, command in enumerate(commands):
        with suppress(NotHeld, NothingUnderWay, RequestError):
            event = decided(room, command, NOW + 700 * number, f"id-{number}")
            if event is not None:
                assert events.decode(events.encode(event), "main") == event
                room = rules.apply(room, room.seq + 1, event)


@settings(max_examples=1000, deadline=None)
@given(st.lists(stored, max_size=8))
def test_an_auditor_takes_any_events_in_any_order(stored: list[dict[str, object]]) -> None:
    """It may find much wrong, and goes on."""
    room = Room()
    for seq, fields in enumerate(stored, start=1):
        payload = json.dumps(fields).encode()
        with suppress(EventError):
            events.decode(payload, "main")
            event = history.decode(seq, NOW, payload)
            assert event is not None
            room.take(event, 0)
            assert room.last == event


@pytest.mark.parametrize("kind", ["held", "resumed", "adjusted", "recycled"])
def test_a_run_at_zero_is_not_changed(kind: str) -> None:
    """Its next tick would be minus one, and there would be no end."""
    fields = {"type": kind, "room": "main", "run": "run-1", "from": 3, "interval_ms": 1000}
    fields |= {"starts_at": NOW, "by": "scheduler-1", "remaining": 0, "at": NOW, "seconds": 1}
    with pytest.raises(EventError, match=r"remaining"):
        events.decode(json.dumps(fields).encode(), "main")
