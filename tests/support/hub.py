"""The rooms of a coordinator, what the stream delivers to them, and viewers, without any I/O."""

import asyncio
import json
from functools import partial

from bus.connection import Bus
from bus.feed import Feed
from bus.stream import Entry, keep_stream, wanted
from coordinator.connections import Connections
from coordinator.encodings import event_stream, websocket
from coordinator.event_stream import EventStreamViewer
from coordinator.hub import Hub
from coordinator.room import Room
from coordinator.settings import Settings
from coordinator.websocket import WebSocketViewer
from protocol import events, rules, subjects
from protocol.requests import Start


async def new_hub() -> Hub:
    """A coordinator's rooms, without a bus."""
    settings = Settings()
    bus = Bus(settings, "coordinator")
    feed = Feed(bus, partial(keep_stream, bus, wanted(settings)))
    feed.epoch = "epoch-1"
    return Hub("coordinator-1", Connections(ring=None), feed)


def entries(count: int, name: str = "main") -> list[Entry]:
    """The first events of a run, as the stream has them."""
    room, stored = rules.Countdown(), []
    event: events.Event | None = rules.start(room, Start(room=name), 1000, "run-1", "scheduler-1")
    for seq in range(1, count + 1):
        assert event is not None
        stored.append(Entry(seq, subjects.events(name), events.encode(event), 1000))
        room = rules.apply(room, seq, event)
        event = rules.decide(room, 10_000_000, "scheduler-1")
    return stored


def room_of(hub: Hub, name: str = "main") -> Room:
    """The room, its past read: it has none."""
    room = hub.room(name)
    if not room.opened.is_set():
        hub.on_reset(name)
        hub.on_opened(name)
    return room


class Socket(asyncio.Transport):
    """A transport that remembers what was written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def close(self) -> None:
        """The test looks at what was written; there is nothing to close."""

    def is_closing(self) -> bool:
        return False

    @property
    def frames(self) -> list[dict[str, object]]:
        return [
            json.loads(line.removeprefix(b"data: "))
            for line in self.written.splitlines()
            if line.startswith(b"data: ")
        ]

    @property
    def seqs(self) -> list[object]:
        return [frame["seq"] for frame in self.frames if frame["type"] not in ("hello", "viewers")]


def join(
    hub: Hub,
    after: int | None = None,
    socket: Socket | None = None,
    name: str = "main",
    kind: type[EventStreamViewer | WebSocketViewer] = EventStreamViewer,
    has_ticks: bool = True,
    is_opened: bool = True,
) -> tuple[EventStreamViewer | WebSocketViewer, Socket]:
    """A viewer that has joined the room, its past read unless `is_opened` is false; and its
    socket."""
    socket = socket or Socket()
    room = room_of(hub, name) if is_opened else hub.rooms[name]
    is_web_socket = kind is WebSocketViewer
    encoding = websocket(1, has_ticks, True) if is_web_socket else event_stream(has_ticks)
    viewer = kind(room, encoding)
    hub.connections.add(viewer)
    room.join(viewer, socket, room.epoch, after)
    return viewer, socket
