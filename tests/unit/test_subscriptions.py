"""A viewer of several rooms, within a turn of the event loop: what it is sent, and its lagging."""

import asyncio
import json

import pytest

from coordinator.encodings import websocket
from coordinator.hub import Hub
from coordinator.subscriptions import Subscriptions
from coordinator.viewer import Viewer
from coordinator.websocket import WebSocketViewer
from protocol import subjects
from protocol.subjects import RoomsError
from support.hub import entries, new_hub, room_of

ADDRESS = "192.0.2.1"
Frame = dict[str, object]


class Socket(asyncio.Transport):
    """A transport that remembers what was written. Its buffer is full after `space` bytes, and it
    says so while it is written to, as asyncio's do."""

    def __init__(self, space: float = float("inf")) -> None:
        super().__init__()
        self.viewer: Viewer | None = None
        self.written = b""
        self.writes_when_full = 0
        self._space = space

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert self.viewer is not None
        self.writes_when_full += bool(self.viewer.lagging_since)
        self.written += data
        if len(self.written) > self._space and not self.viewer.lagging_since:
            self.viewer.pause_writing()

    def drain(self, space: float = float("inf")) -> None:
        """All that was written has gone out, and there is space for so many bytes more."""
        assert self.viewer is not None
        self._space = len(self.written) + space
        self.viewer.resume_writing()

    @property
    def frames(self) -> list[Frame]:
        """The text frames that were written."""
        found, rest = [], self.written
        while rest:
            size, start = rest[1], 2
            if size == 126:
                size, start = int.from_bytes(rest[2:4], "big"), 4
            if rest[0] == 0x81:
                found.append(json.loads(rest[start : start + size]))
            rest = rest[start + size :]
        return found

    def sent(self, room: str) -> list[object]:
        """What one room sent: `hello`, and the sequences of its events."""
        frames = [frame for frame in self.frames if frame.get("room") == room]
        return [frame["type"] if frame["type"] == "hello" else frame["seq"] for frame in frames]


def joined(
    hub: Hub, names: str, socket: Socket | None = None, after: list[int | None] | None = None
) -> tuple[WebSocketViewer, Socket]:
    """A viewer of these rooms; with `after` it comes back."""
    rooms = [room_of(hub, name) for name in names.split()]
    several, socket = Subscriptions(rooms, hub.connections), socket or Socket()
    viewer = socket.viewer = WebSocketViewer(several, websocket(1, True, False))
    viewer.address = ADDRESS
    hub.connections.add(viewer)
    several.join(viewer, socket, "epoch-1" if after else "", after or [None] * len(rooms))
    return viewer, socket


def store(hub: Hub, name: str, first: int, last: int) -> None:
    """Deliver the events of a room from the sequence `first` to `last`."""
    room_of(hub, name)
    for entry in entries(last, name)[first - 1 :]:
        hub.on_entry(name, entry)


async def turn() -> None:
    """The end of this turn of the loop, in which frames are written."""
    await asyncio.sleep(0)


async def test_each_room_says_hello_and_then_sends_its_frames_in_its_order() -> None:
    hub = await new_hub()
    store(hub, "quiz", 1, 2)
    _, socket = joined(hub, "quiz launch")
    assert [(frame["room"], frame["type"]) for frame in socket.frames] == [
        *(("quiz", "hello"), ("quiz", "started"), ("quiz", "tick")),
        ("launch", "hello"),
    ]
    store(hub, "launch", 1, 3)
    store(hub, "quiz", 3, 5)
    store(hub, "other", 1, 2)
    await turn()
    assert socket.sent("quiz") == ["hello", 1, 2, 3, 4, 5]
    assert socket.sent("launch") == ["hello", 1, 2, 3]
    assert socket.sent("other") == []


async def test_a_viewer_that_comes_back_gets_of_each_room_what_it_missed() -> None:
    hub = await new_hub()
    for name in ("quiz", "launch", "new"):
        store(hub, name, 1, 4)
    _, socket = joined(hub, "quiz launch new", after=[2, 4, None])
    assert socket.sent("quiz") == ["hello", 3, 4]
    assert socket.sent("launch") == ["hello"]
    assert socket.sent("new") == ["hello", 1, 2, 3, 4]
    assert [frame["complete"] for frame in socket.frames if frame["type"] == "hello"] == [
        *(True, True, False)
    ]


async def test_it_is_a_viewer_of_each_of_its_rooms_and_one_connection() -> None:
    hub = await new_hub()
    viewer, _ = joined(hub, "quiz launch")
    assert [len(hub.rooms[name]) for name in ("quiz", "launch")] == [1, 1]
    assert hub.connections.count == 1
    assert hub.connections.by_address[ADDRESS] == 2
    viewer.connection_lost(None)
    assert not any(hub.rooms[name].groups for name in ("quiz", "launch"))
    assert hub.connections.count == 0
    assert not hub.connections.by_address


async def test_its_pings_are_answered_once_and_report_nothing() -> None:
    hub = await new_hub()
    viewer, socket = joined(hub, "quiz launch")
    viewer._on_message(b'{"type":"ping","id":7,"seq":0,"error_ms":2}')
    assert [frame["id"] for frame in socket.frames if frame["type"] == "pong"] == [7]
    assert hub.rooms["quiz"].screens().reporting == 0


async def test_a_full_buffer_stops_every_room_and_each_catches_up_once_it_has_drained() -> None:
    hub = await new_hub()
    viewer, socket = joined(hub, "quiz launch")
    for name in ("quiz", "launch"):
        store(hub, name, 1, 2)
    await turn()
    viewer.pause_writing()
    assert hub.connections.lagging == {viewer}
    for name in ("quiz", "launch"):
        store(hub, name, 3, 4)
    await turn()
    assert socket.sent("quiz") == socket.sent("launch") == ["hello", 1, 2]
    socket.drain()
    assert not hub.connections.lagging
    store(hub, "quiz", 5, 5)
    await turn()
    assert socket.sent("quiz") == ["hello", 1, 2, "hello", 3, 4, 5]
    assert socket.sent("launch") == ["hello", 1, 2, "hello", 3, 4]


async def test_a_buffer_that_fills_while_rooms_catch_up_is_filled_no_further() -> None:
    hub = await new_hub()
    viewer, socket = joined(hub, "one two three")
    viewer.pause_writing()
    for name in ("one", "two", "three"):
        store(hub, name, 1, 3)
    await turn()
    for _ in range(3):
        assert hub.connections.lagging == {viewer}
        socket.drain(space=0)
    socket.drain()
    assert socket.writes_when_full == 0
    for name in ("one", "two", "three"):
        sent = socket.sent(name)
        assert [seq for seq in sent if seq != "hello"] == [1, 2, 3]


async def test_a_buffer_that_fills_at_the_first_hello_lets_the_others_wait() -> None:
    hub = await new_hub()
    for name in ("quiz", "launch", "seen"):
        store(hub, name, 1, 4)
    _, socket = joined(hub, "quiz launch seen", Socket(space=0), after=[None, None, 3])
    assert socket.sent("quiz") == ["hello", 1, 2, 3, 4]
    assert socket.sent("launch") == socket.sent("seen") == []
    socket.drain()
    assert socket.writes_when_full == 0
    assert socket.sent("launch") == ["hello", 1, 2, 3, 4]
    assert socket.sent("seen") == ["hello", 4]


async def test_a_room_that_is_read_again_says_hello_alone() -> None:
    hub = await new_hub()
    _, socket = joined(hub, "quiz launch")
    hub._feed.epoch = "epoch-2"
    hub.on_reset("quiz")
    store(hub, "launch", 1, 1)
    hub.on_opened("quiz")
    await turn()
    assert [(frame["room"], frame["epoch"]) for frame in socket.frames if "epoch" in frame] == [
        *(("quiz", "epoch-1"), ("launch", "epoch-1"), ("quiz", "epoch-2")),
    ]


async def test_nothing_is_sent_after_the_close_also_when_a_room_is_read_again() -> None:
    hub = await new_hub()
    viewer, socket = joined(hub, "quiz launch")
    viewer.close(1013, "too slow")
    before = socket.written
    store(hub, "quiz", 1, 2)
    hub.on_reset("launch")
    hub.on_opened("launch")
    await turn()
    viewer.pause_writing()
    viewer.resume_writing()
    assert socket.written == before


async def test_who_is_too_slow_is_closed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = await new_hub()
    viewer, socket = joined(hub, "quiz launch")
    viewer.pause_writing()
    monkeypatch.setattr("coordinator.connections.LAG_SECONDS", 0.0)
    sweeping = asyncio.create_task(hub.connections.sweep())
    async with asyncio.timeout(10):
        while not viewer.is_closing:
            await asyncio.sleep(0.01)
    sweeping.cancel()
    assert socket.written.count(b"\x03\xf5too slow") == 1


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ("", "'' is not a room's name"),
        ("quiz,", "'' is not a room's name"),
        ("quiz, launch", "' launch' is not a room's name"),
        ("quiz,launch,quiz", "'quiz' is named twice"),
        (",".join(f"room-{number}" for number in range(51)), "at most 50 rooms"),
    ],
)
def test_a_list_of_rooms_that_can_not_be_read_says_why(names: str, words: str) -> None:
    with pytest.raises(RoomsError, match=f"^{words}$"):
        subjects.rooms(names)


def test_a_list_of_rooms_keeps_its_order() -> None:
    assert subjects.rooms("quiz,launch,stage-2") == ["quiz", "launch", "stage-2"]
