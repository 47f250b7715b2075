"""What each kind of viewer is sent of the same frames."""

import json

import pytest
from msgspec.structs import replace

from bus.entries import read_event
from coordinator import encodings
from coordinator.encodings import Encoding
from coordinator.history import History
from coordinator.prepared import PreparedFrame
from protocol import events
from protocol.events import Event, Tick, Unknown
from support.hub import entries

RUN = entries(12)
"""Of eleven ticks."""
BEFORE, TICK = (events.decode(one.data, "main") for one in RUN[4:6])
assert isinstance(BEFORE, Tick)
assert isinstance(TICK, Tick)


def sent(encoding: Encoding, frames: list[PreparedFrame]) -> list[dict[str, object]]:
    """The frames that such a viewer gets, taken out of their WebSocket frames."""
    found, rest = [], encoding.encode(encoding.choose(frames))
    while rest:
        size, start = (rest[1], 2) if rest[1] < 126 else (int.from_bytes(rest[2:4], "big"), 4)
        found.append(json.loads(rest[start : start + size]))
        rest = rest[start + size :]
    return found


@pytest.fixture
def frames() -> list[PreparedFrame]:
    """Those of a whole run."""
    history = History(floor=0)
    added = [history.add_event(one.seq, read_event(one, "main"), "epoch-1") for one in RUN]
    return [frame for frame in added if frame is not None]


def test_version_1_repeats_the_terms_with_every_tick(frames: list[PreparedFrame]) -> None:
    first, *ticks = sent(encodings.websocket(1, True, True), frames)
    assert len(ticks) == 11
    for tick in ticks:
        assert {key: tick[key] for key in ("run", "from", "starts_at", "room")} == {
            key: first[key] for key in ("run", "from", "starts_at", "room")
        }


def test_version_2_sends_the_terms_once_and_then_what_is_new(frames: list[PreparedFrame]) -> None:
    first, *ticks = sent(encodings.websocket(2, True, True), frames)
    assert first == sent(encodings.websocket(1, True, True), frames)[0]
    assert ticks == [{"type": "tick", "seq": seq, "remaining": 12 - seq} for seq in range(2, 13)]


def test_over_one_connection_with_several_rooms_a_tick_names_its_room(
    frames: list[PreparedFrame],
) -> None:
    *_, last = sent(encodings.websocket(2, True, False), frames)
    assert last == {"type": "tick", "room": "main", "seq": 12, "remaining": 0}


@pytest.mark.parametrize("protocol", [1, 2])
def test_without_ticks_the_start_and_the_end_are_sent(
    frames: list[PreparedFrame], protocol: int
) -> None:
    first, last = sent(encodings.websocket(protocol, False, True), frames)
    assert (first["type"], last["type"], last["remaining"]) == ("started", "tick", 0)


def test_an_event_stream_without_ticks_gets_the_start_and_the_end(
    frames: list[PreparedFrame],
) -> None:
    assert encodings.event_stream(False).choose(frames) == [frames[0], frames[-1]]


@pytest.mark.parametrize(
    ("before", "tick"),
    [
        (replace(BEFORE, run="run-0"), TICK),
        (replace(BEFORE, change="adjust:1"), TICK),
        (replace(BEFORE, held_at=5000), TICK),
        (Unknown(type="paused", room="main", run="run-1", payload=b"{}"), TICK),
        (BEFORE, replace(TICK, held_at=5000)),
    ],
    ids=["run", "change", "hold", "unknown", "held"],
)
def test_a_tick_whose_terms_may_be_news_repeats_them_to_everybody(
    before: Event, tick: Tick
) -> None:
    """Events may be missing: they were removed, or only a newer version knows them."""
    history = History(floor=0)
    history.add_event(4, before, "epoch-1")
    frame = history.add_event(7, tick, "epoch-1")
    assert frame is not None
    for has_ticks in (True, False):
        [told] = sent(encodings.websocket(2, has_ticks, True), [frame])
        assert (told["run"], told["from"], told["remaining"]) == ("run-1", 10, tick.remaining)


def test_each_frame_is_encoded_once(frames: list[PreparedFrame]) -> None:
    for encoding in (
        encodings.websocket(1, True, True),
        encodings.websocket(2, True, True),
        encodings.websocket(2, True, False),
        encodings.event_stream(True),
    ):
        assert encoding.bytes_of(frames[5]) is encoding.bytes_of(frames[5])
