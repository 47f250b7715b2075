"""A frame's bytes, the same for every viewer: encoded once, however many viewers there are."""

from struct import pack
from typing import Self

from msgspec import Struct
from msgspec.structs import replace
from websockets.frames import Close, Opcode
from websockets.frames import Frame as WebSocketFrame

from protocol import frames
from protocol.events import Event, Tick
from protocol.frames import TickDelta

FINAL_TEXT = 0x81
MAX_REASON_BYTES = 123
"""Of a close frame: 125 bytes with its code (RFC 6455, 5.5)."""


class PreparedFrame:
    """One frame, encoded for every kind of viewer; `seq` is None if it has no sequence, `due_at`
    if it is no tick."""

    __slots__ = (
        "_brief",
        "_brief_in_room",
        "_delta",
        "_epoch",
        "_event_stream",
        "_websocket",
        "due_at",
        "json",
        "kind",
        "seq",
    )

    def __init__(
        self, kind: str, json: bytes, seq: int | None, epoch: str = "", due_at: int | None = None
    ) -> None:
        self.kind = kind
        self.json = json
        self.seq = seq
        self.due_at = due_at
        self._epoch = epoch
        self._delta: TickDelta | None = None
        self._brief: bytes | None = None
        self._brief_in_room: bytes | None = None
        self._websocket: bytes | None = None
        self._event_stream: bytes | None = None

    @classmethod
    def of(cls, frame: Struct, epoch: str = "", *, has_place: bool = True) -> Self:
        """A frame as it is."""
        seq = getattr(frame, "seq", None) if has_place else None
        return cls(frames.kind(frame), frames.encode(frame), seq, epoch)

    @classmethod
    def of_event(cls, seq: int, event: Event, previous: Event | None, epoch: str) -> Self:
        """The frame of `event`, stored as `seq` after `previous`."""
        due_at = event.due_at if isinstance(event, Tick) else None
        prepared = cls(frames.kind(event), frames.encode_event(seq, event), seq, epoch, due_at)
        prepared._delta = frames.delta(previous, seq, event)
        return prepared

    @property
    def websocket(self) -> bytes:
        """The frame as a WebSocket text frame (RFC 6455)."""
        if self._websocket is None:
            self._websocket = text_frame(self.json)
        return self._websocket

    @property
    def is_routine(self) -> bool:
        """Whether it is a tick that tells a clock nothing: not the last, the terms as before."""
        return self._delta is not None and self._delta.remaining > 0

    @property
    def brief(self) -> bytes:
        """What is new in the frame, as a WebSocket text frame: version 2."""
        if self._delta is None:
            return self.websocket
        if self._brief is None:
            self._brief = text_frame(frames.encode(replace(self._delta, room=None)))
        return self._brief

    @property
    def brief_in_room(self) -> bytes:
        """The same with the room's name, for a connection that has several rooms."""
        if self._delta is None:
            return self.websocket
        if self._brief_in_room is None:
            self._brief_in_room = text_frame(frames.encode(self._delta))
        return self._brief_in_room

    @property
    def event_stream(self) -> bytes:
        """The frame as a Server-Sent Event in an HTTP chunk (WHATWG HTML 9.2, RFC 9112)."""
        if self._event_stream is None:
            place = "" if self.seq is None else f"id: {self._epoch}:{self.seq}\n"
            head = f"{place}event: {self.kind}\ndata: ".encode()
            self._event_stream = chunk(head + self.json + b"\n\n")
        return self._event_stream


def text_frame(data: bytes) -> bytes:
    """A WebSocket text frame from a server (RFC 6455, 5.2); every event is framed here."""
    size = len(data)
    if size < 126:
        return pack("!BB", FINAL_TEXT, size) + data
    if size < 1 << 16:
        return pack("!BBH", FINAL_TEXT, 126, size) + data
    return pack("!BBQ", FINAL_TEXT, 127, size) + data


def pong_frame(data: bytes) -> bytes:
    """The answer to a WebSocket ping."""
    return WebSocketFrame(Opcode.PONG, data).serialize(mask=False)


def close_frame(code: int, reason: str) -> bytes:
    """A WebSocket close frame; the reason is cut to the bytes that such a frame has for it."""
    reason = reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore")
    return WebSocketFrame(Opcode.CLOSE, Close(code, reason).serialize()).serialize(mask=False)


def chunk(data: bytes) -> bytes:
    """A chunk of an HTTP/1.1 body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


PING_FRAME = WebSocketFrame(Opcode.PING, b"").serialize(mask=False)
EMPTY_CLOSE_FRAME = WebSocketFrame(Opcode.CLOSE, b"").serialize(mask=False)
COMMENT_CHUNK = chunk(b":\n\n")
LAST_CHUNK = b"0\r\n\r\n"
