"""A frame's bytes, the same for every viewer: encoded once, however many viewers there are."""

from struct import pack
from typing import Self

from msgspec import Struct
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
        "_epoch",
        "_event_stream",
        "_remaining",
        "due_at",
        "kind",
        "seq",
        "websocket",
    )

    def __init__(self, kind: str, json: bytes, seq: int | None, epoch: str = "") -> None:
        self.kind = kind
        self.seq = seq
        self.websocket = text_frame(json)
        """The frame as a WebSocket text frame (RFC 6455)."""
        self.due_at: int | None = None
        self._epoch = epoch
        self._remaining: int | None = None
        """All that is new in the frame but its place, if it is a tick that changes nothing else."""
        self._brief: bytes | None = None
        self._brief_in_room: bytes | None = None
        self._event_stream: bytes | None = None

    @classmethod
    def of(cls, frame: Struct, epoch: str = "", *, has_place: bool = True) -> Self:
        """A frame as it is."""
        seq = getattr(frame, "seq", None) if has_place else None
        return cls(frames.kind(frame), frames.encode(frame), seq, epoch)

    @classmethod
    def of_event(cls, seq: int, event: Event, previous: Event | None, epoch: str) -> Self:
        """The frame of `event`, stored as `seq` after `previous`."""
        prepared = cls(frames.kind(event), frames.encode_event(seq, event), seq, epoch)
        if isinstance(event, Tick):
            prepared.due_at = event.due_at
            if frames.is_next_tick(event, previous):
                prepared._remaining = event.remaining
        return prepared

    @property
    def is_routine(self) -> bool:
        """Whether it is a tick that tells a clock nothing: not the last, the terms as before."""
        return bool(self._remaining)

    @property
    def brief(self) -> bytes:
        """What is new in the frame, as a WebSocket text frame: version 2."""
        if self._brief is None:
            self._brief = self._delta(has_room=False)
        return self._brief

    @property
    def brief_in_room(self) -> bytes:
        """The same with the room's name, for a connection that has several rooms."""
        if self._brief_in_room is None:
            self._brief_in_room = self._delta(has_room=True)
        return self._brief_in_room

    def _delta(self, *, has_room: bool) -> bytes:
        if self._remaining is None or self.seq is None:
            return self.websocket
        room = frames.room(text_of(self.websocket)) if has_room else None
        delta = TickDelta(room=room, seq=self.seq, remaining=self._remaining)
        return text_frame(frames.encode(delta))

    @property
    def event_stream(self) -> bytes:
        """The frame as a Server-Sent Event in an HTTP chunk (WHATWG HTML 9.2, RFC 9112)."""
        if self._event_stream is None:
            place = "" if self.seq is None else f"id: {self._epoch}:{self.seq}\n"
            head = f"{place}event: {self.kind}\ndata: ".encode()
            self._event_stream = chunk(head + text_of(self.websocket) + b"\n\n")
        return self._event_stream


def text_frame(data: bytes) -> bytes:
    """A WebSocket text frame from a server (RFC 6455, 5.2); every event is framed here."""
    size = len(data)
    if size < 126:
        return pack("!BB", FINAL_TEXT, size) + data
    if size < 1 << 16:
        return pack("!BBH", FINAL_TEXT, 126, size) + data
    return pack("!BBQ", FINAL_TEXT, 127, size) + data


def text_of(frame: bytes) -> bytes:
    """What a text frame from a server holds."""
    return frame[{126: 4, 127: 10}.get(frame[1], 2) :]


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
