"""What each kind of viewer is sent of the same frames."""

import json

import pytest

from bus.entries import read_event
from coordinator import encodings
from coordinator.encodings import Encoding
from coordinator.history import History
from coordinator.prepared import PreparedFrame
from support.hub import entries

RUN = entries(12)
"""Of eleven ticks."""


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


def test_each_frame_is_encoded_once(frames: list[PreparedFrame]) -> None:
    for encoding in (
        encodings.websocket(1, True, True),
        encodings.websocket(2, True, True),
        encodings.websocket(2, True, False),
        encodings.event_stream(True),
    ):
        assert encoding.bytes_of(frames[5]) is encoding.bytes_of(frames[5])
