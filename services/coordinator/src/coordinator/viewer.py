"""A viewer: the protocol of a socket that aiohttp has let go of, with nothing else behind it.

There may be ten thousand of these, so a viewer is a handful of slots: no task, no queue, no timer.
"""

import asyncio
from collections.abc import Generator, Iterable
from typing import ClassVar, Protocol

from prometheus_client import Counter
from websockets.exceptions import PayloadTooBig, ProtocolError
from websockets.frames import Close, Frame, Opcode
from websockets.streams import StreamReader

from protocol import frames

from . import wire
from .wire import Wire

MAX_FRAMES_A_SECOND = 10

GOING_AWAY = 1001
PROTOCOL_ERROR = 1002
UNSUPPORTED = 1003
INVALID_DATA = 1007
POLICY = 1008
TOO_BIG = 1009
TRY_AGAIN_LATER = 1013

_refused = Counter("tminus_viewers_refused_total", "Viewers ended for what they sent.", ["code"])


class Host(Protocol):
    """Whom a viewer tells what befalls it: its room."""

    def leave(self, viewer: "Viewer") -> None: ...
    def heed(self, viewer: "Viewer") -> None: ...
    def fall_behind(self, viewer: "Viewer") -> None: ...
    def catch_up(self, viewer: "Viewer") -> None: ...
    def part_with(self, viewer: "Viewer") -> None: ...
    def end_soon(self, viewer: "Viewer") -> None: ...
    def on_ping(self, viewer: "WebSocketViewer", ping: frames.Ping) -> None: ...


class Viewer(asyncio.Protocol):
    """What both kinds of viewers have in common: a socket, a room, and whether they keep up."""

    __slots__ = (
        "flushed_seq",
        "is_closing",
        "is_heard",
        "lagging_since",
        "place",
        "room",
        "transport",
        "turn",
    )

    heartbeat: ClassVar[bytes]

    def __init__(self, room: Host) -> None:
        self.room = room
        self.transport: asyncio.Transport | None = None
        self.lagging_since = 0.0
        """When its buffers were found full, by the loop's clock; 0 while it keeps up."""
        self.flushed_seq = 0
        """The last sequence that it was sent before it lagged."""
        self.place = -1
        """Where it stands among its room's viewers of its kind; -1 while it does not."""
        self.turn = 0
        """At which turn of the heartbeat it is asked whether it lives."""
        self.is_heard = True
        """Whether anything has come since it was asked for an answer."""
        self.is_closing = False

    @staticmethod
    def encode(batch: Iterable[Wire]) -> bytes:
        """The frames as this kind of viewer reads them."""
        raise NotImplementedError

    def write(self, data: bytes) -> None:
        """Write to this viewer alone."""
        assert self.transport is not None
        self.transport.write(data)
        self.room.heed(self)

    def ask(self) -> None:
        """Send the heartbeat."""
        self.write(self.heartbeat)

    def close(self, code: int, reason: str) -> None:
        """End the connection in its own protocol's way, and see to it that it ends soon."""
        raise NotImplementedError

    def connection_lost(self, exc: Exception | None) -> None:
        self.room.leave(self)

    def pause_writing(self) -> None:
        self.room.fall_behind(self)

    def resume_writing(self) -> None:
        self.room.catch_up(self)


class WebSocketViewer(Viewer):
    """A viewer over a WebSocket: pings are all that it may send."""

    __slots__ = (
        "_frames",
        "_is_asked",
        "_is_deaf",
        "_parser",
        "_partial",
        "_reader",
        "_since",
        "error_ms",
        "is_in_step",
        "reported_at",
    )

    heartbeat = wire.PING_FRAME

    def __init__(self, room: Host) -> None:
        super().__init__(room)
        self._reader: StreamReader | None = None
        self._parser: Generator[None, None, Frame] | None = None
        self._partial: bytes | None = None
        self._is_asked = False
        self._is_deaf = False
        self._since = 0.0
        self._frames = 0
        self.reported_at = 0.0
        self.error_ms = 0.0
        self.is_in_step = False

    @staticmethod
    def encode(batch: Iterable[Wire]) -> bytes:
        return b"".join([frame.websocket for frame in batch])

    def ask(self) -> None:
        self.is_heard = False
        self._is_asked = True
        super().ask()

    def close(self, code: int, reason: str) -> None:
        if not self.is_closing and self.transport is not None:
            self.is_closing = True
            self.room.part_with(self)
            self.transport.write(wire.close_frame(code, reason))
            self.room.end_soon(self)

    def data_received(self, data: bytes) -> None:
        self.is_heard = True
        if self._is_deaf:
            return
        # A reader and a parser stay only for as long as a frame is incomplete.
        reader = self._reader or StreamReader()
        reader.feed_data(data)
        parser = self._parser
        try:
            while parser is not None or reader.buffer:
                parser = parser or Frame.parse(
                    reader.read_exact, mask=True, max_size=frames.MAX_INBOUND_BYTES
                )
                try:
                    next(parser)
                except StopIteration as parsed:
                    parser = None
                    self._on_frame(parsed.value)
                    if self._is_deaf:
                        return
                else:
                    break
        except PayloadTooBig:
            self._go_deaf()
            self._refuse(TOO_BIG, f"over {frames.MAX_INBOUND_BYTES} bytes")
            return
        except ProtocolError as error:
            self._go_deaf()
            self._refuse(PROTOCOL_ERROR, str(error)[:100])
            return
        self._parser, self._reader = parser, reader if parser is not None else None

    def _go_deaf(self) -> None:
        """Read nothing more: it would not count, or where the next frame begins is not known."""
        self._is_deaf = True
        self._parser = self._reader = None

    def _refuse(self, code: int, reason: str) -> None:
        """Count and close for something that the viewer has sent."""
        if not self.is_closing:
            _refused.labels(code).inc()
            self.close(code, reason)

    def eof_received(self) -> None:
        """The default: the transport closes."""

    def _on_frame(self, frame: Frame) -> None:
        if self._is_due(frame.opcode):
            self._is_asked = False
        elif not self._may_send():
            self._go_deaf()  # else all that it has sent so far is parsed, while everybody waits
            self._refuse(POLICY, f"more than {MAX_FRAMES_A_SECOND} frames a second")
            return
        if self.transport is None or (self.is_closing and frame.opcode is not Opcode.CLOSE):
            return
        match frame.opcode:
            case Opcode.TEXT if self._partial is None:
                self._on_text(bytes(frame.data), frame.fin)
            case Opcode.CONT if self._partial is not None:
                self._on_text(self._partial + bytes(frame.data), frame.fin)
            case Opcode.PING:
                self.write(wire.pong_frame(bytes(frame.data)))
            case Opcode.PONG:
                pass
            case Opcode.BINARY:
                self._refuse(UNSUPPORTED, "binary frames are not taken")
            case Opcode.CLOSE:
                self._on_close(bytes(frame.data))
            case _:
                self._refuse(PROTOCOL_ERROR, "a frame out of place")

    def _on_text(self, data: bytes, is_last: bool) -> None:
        if len(data) > frames.MAX_INBOUND_BYTES:
            self._refuse(TOO_BIG, f"over {frames.MAX_INBOUND_BYTES} bytes")
        elif not is_last:
            self._partial = data
        else:
            self._partial = None
            self._on_message(data)

    def _on_message(self, data: bytes) -> None:
        try:
            data.decode()
        except UnicodeDecodeError:
            self._refuse(INVALID_DATA, "not UTF-8")
            return
        try:
            ping = frames.decode_ping(data)
        except frames.FrameError as error:
            self._refuse(UNSUPPORTED, str(error)[:100])
            return
        self.room.on_ping(self, ping)

    def _on_close(self, data: bytes) -> None:
        """Answer the close, or take it as the answer to ours; then the connection ends."""
        assert self.transport is not None
        self._go_deaf()
        if not self.is_closing:
            self.is_closing = True
            self.room.part_with(self)
            try:
                code = Close.parse(data).code
            except ProtocolError:
                code = PROTOCOL_ERROR
            except UnicodeDecodeError:
                code = INVALID_DATA
            answer = wire.close_frame(code, "") if code != 1005 else wire.EMPTY_CLOSE_FRAME
            self.transport.write(answer)
            self.room.end_soon(self)  # who reads nothing more would be waited for
        self.transport.close()

    def _is_due(self, opcode: Opcode) -> bool:
        """Whether the protocol has the viewer send this: it does not count as one of its own."""
        return opcode is Opcode.CLOSE or (opcode is Opcode.PONG and self._is_asked)

    def _may_send(self) -> bool:
        now = asyncio.get_running_loop().time()
        if now - self._since >= 1:
            self._since, self._frames = now, 0
        self._frames += 1
        return self._frames <= MAX_FRAMES_A_SECOND


class EventStreamViewer(Viewer):
    """A viewer over Server-Sent Events: it sends nothing after its request."""

    __slots__ = ()

    heartbeat = wire.COMMENT_CHUNK

    @staticmethod
    def encode(batch: Iterable[Wire]) -> bytes:
        return b"".join([frame.event_stream for frame in batch])

    def close(self, code: int, reason: str) -> None:
        del code, reason  # an event stream has no word for them; `bye` was said where it is due
        if not self.is_closing and self.transport is not None:
            self.is_closing = True
            self.room.part_with(self)
            self.transport.write(wire.LAST_CHUNK)
            self.transport.close()
            self.room.end_soon(self)

    def data_received(self, data: bytes) -> None:
        """A request behind a stream that has no end is never answered."""
