"""A viewer: the asyncio protocol of a socket taken over from aiohttp, and nothing else.

There may be ten thousand of these, so a viewer is a handful of slots: no task, no queue, and no
timer until it is closing.
"""

import asyncio
from typing import ClassVar, Protocol

from protocol.frames import Ping

from .encodings import Encoding

CLOSING_SECONDS = 2.0
"""How long a viewer may take to close its side of a connection that we have closed."""


class Host(Protocol):
    """What a viewer calls on its room, or on its rooms if it has several."""

    @property
    def places(self) -> int:
        """How many viewers its viewer counts as: one for each of its rooms."""

    def leave(self, viewer: "Viewer") -> None: ...
    def on_backpressure(self, viewer: "Viewer") -> None: ...
    def on_drained(self, viewer: "Viewer") -> None: ...
    def on_ping(self, viewer: "Viewer", ping: Ping) -> None: ...


class Group(Protocol):
    """What a viewer calls on its fan-out group."""

    def check_buffer(self, viewer: "Viewer") -> None: ...
    def pause(self, viewer: "Viewer") -> None: ...


class Viewer(asyncio.Protocol):
    """What both kinds of viewers have: a socket, a room, and a lagging state."""

    __slots__ = (
        "address",
        "encoding",
        "flushed_seq",
        "group",
        "is_closing",
        "lagging_since",
        "place",
        "room",
        "silent_looks",
        "slot",
        "transport",
    )

    heartbeat: ClassVar[bytes]

    def __init__(self, room: Host, encoding: Encoding) -> None:
        self.room = room
        self.encoding = encoding
        """What kind of viewer it is."""
        self.transport: asyncio.Transport | None = None
        self.group: Group | None = None
        """The viewers of its room and kind, once it has joined them."""
        self.place = -1
        """Its index in its group, set by the group."""
        self.lagging_since = 0.0
        """When its buffers were found full, by the loop's clock; 0 while it keeps up."""
        self.flushed_seq = 0
        """The last sequence sent before it lagged; -1 belongs to another stream."""
        self.address = ""
        """Where it comes from; set by the handshake."""
        self.slot = 0
        """The second in which Connections looks whether it is alive."""
        self.silent_looks = 0
        """How many times it has looked since anything arrived."""
        self.is_closing = False

    def write(self, data: bytes) -> None:
        """Write to this viewer alone."""
        assert self.transport is not None
        self.transport.write(data)
        if self.group is not None:
            self.group.check_buffer(self)

    def send_heartbeat(self) -> None:
        """Send the heartbeat."""
        self.write(self.heartbeat)

    def close(self, code: int, reason: str) -> None:
        """Close the connection in its protocol's way, with a time limit."""
        raise NotImplementedError

    def begin_closing(self, last: bytes) -> asyncio.Transport:
        """Send `last` and nothing after it; abort the connection if the peer doesn't close it."""
        assert self.transport is not None
        self.is_closing = True
        if self.group is not None:
            self.group.pause(self)
        self.transport.write(last)
        asyncio.get_running_loop().call_later(CLOSING_SECONDS, self.transport.abort)
        return self.transport

    def connection_lost(self, _exc: Exception | None) -> None:
        self.room.leave(self)

    def pause_writing(self) -> None:
        self.room.on_backpressure(self)

    def resume_writing(self) -> None:
        self.room.on_drained(self)
