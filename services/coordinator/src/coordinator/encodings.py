"""The encodings of a room's frames: viewers of one kind get the same bytes, made once for all."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from operator import attrgetter

from .prepared import PreparedFrame


@dataclass(frozen=True, eq=False)
class Encoding:
    """How viewers of one kind get a room's frames, and which of them."""

    bytes_of: Callable[[PreparedFrame], bytes]
    protocol: int
    has_ticks: bool
    """Whether they get the ticks that tell a clock nothing."""
    has_own_socket: bool
    """Whether nothing else is written to the socket, so that a ring may send past the transport."""

    def choose(self, frames: list[PreparedFrame]) -> list[PreparedFrame]:
        """Those of the frames that they get."""
        return frames if self.has_ticks else [one for one in frames if not one.is_routine]

    def encode(self, frames: Iterable[PreparedFrame]) -> bytes:
        """The bytes of these frames."""
        return b"".join(map(self.bytes_of, frames))


@cache
def websocket(protocol: int, has_ticks: bool, has_own_socket: bool, /) -> Encoding:
    """Frames of this version as WebSocket frames, for a connection with one room or several."""
    brief = "brief" if has_own_socket else "brief_in_room"
    bytes_of = attrgetter("websocket" if protocol == 1 else brief)
    return Encoding(bytes_of, protocol, has_ticks, has_own_socket)


@cache
def event_stream(has_ticks: bool, /) -> Encoding:
    """Frames of version 1 as Server-Sent Events."""
    return Encoding(attrgetter("event_stream"), 1, has_ticks, True)
