"""A viewer over a WebSocket: the frames it may send, and the close codes."""

import asyncio
from collections.abc import Generator

from prometheus_client import Counter
from websockets.exceptions import PayloadTooBig, ProtocolError
from websockets.frames import Close, Frame, Opcode
from websockets.streams import StreamReader

from protocol import frames

from . import prepared
from .encodings import Encoding
from .short_frames import is_empty_pong, payload_of
from .viewer import Host, Viewer

MAX_FRAMES_A_SECOND = 10

GOING_AWAY = 1001
PROTOCOL_ERROR = 1002
UNSUPPORTED = 1003
INVALID_DATA = 1007
POLICY = 1008
TOO_BIG = 1009
TRY_AGAIN_LATER = 1013

_rejected = Counter(
    "tminus_viewers_refused_total",
    "Viewers whose connection was closed for an invalid frame.",
    ["code"],
)


class WebSocketViewer(Viewer):
    """A viewer over a WebSocket: pings are all that it may send."""

    __slots__ = (
        "_frames",
        "_has_stopped_reading",
        "_is_pinged",
        "_parser",
        "_partial",
        "_reader",
        "_since",
        "error_ms",
        "is_in_step",
        "reported_at",
    )

    heartbeat = prepared.PING_FRAME

    def __init__(self, room: Host, encoding: Encoding) -> None:
        super().__init__(room, encoding)
        self._reader: StreamReader | None = None
        self._parser: Generator[None, None, Frame] | None = None
        self._partial: bytes | None = None
        self._is_pinged = False
        self._has_stopped_reading = False
        self._since = 0.0
        self._frames = 0
        self.reported_at = 0.0
        self.error_ms = 0.0
        self.is_in_step = False

    def send_heartbeat(self) -> None:
        self._is_pinged = True
        super().send_heartbeat()

    def close(self, code: int, reason: str) -> None:
        if not self.is_closing and self.transport is not None:
            self.begin_closing(prepared.close_frame(code, reason))

    def data_received(self, data: bytes) -> None:
        self.silent_looks = 0
        if self._has_stopped_reading:
            return
        if self._parser is None and self._partial is None:
            payload = payload_of(data)
            if payload is not None:
                self._on_short_text(payload)
                return
            if self._is_pinged and is_empty_pong(data):
                self._is_pinged = False
                return
        # A reader and a parser are kept only while a frame is incomplete.
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
                    if self._has_stopped_reading:
                        return
                else:
                    break
        except PayloadTooBig:
            self._stop_reading()
            self._reject(TOO_BIG, f"over {frames.MAX_INBOUND_BYTES} bytes")
            return
        except ProtocolError as error:
            self._stop_reading()
            self._reject(PROTOCOL_ERROR, str(error))
            return
        self._parser, self._reader = parser, reader if parser is not None else None

    def _stop_reading(self) -> None:
        """Read nothing more: the next frame would not count, or its start is unknown."""
        self._has_stopped_reading = True
        self._parser = self._reader = None

    def _reject(self, code: int, reason: str) -> None:
        """Close for an invalid frame, and count it."""
        if not self.is_closing:
            _rejected.labels(code).inc()
            self.close(code, reason)

    def eof_received(self) -> None:
        """The default: the transport closes."""

    def _on_short_text(self, payload: bytes) -> None:
        if self._may_send() and self.transport is not None and not self.is_closing:
            self._on_message(payload)

    def _on_frame(self, frame: Frame) -> None:
        if self._is_answer(frame.opcode):
            self._is_pinged = False
        elif not self._may_send():
            return
        if self.transport is None or (self.is_closing and frame.opcode is not Opcode.CLOSE):
            return
        match frame.opcode:
            case Opcode.TEXT if self._partial is None:
                self._on_text(bytes(frame.data), frame.fin)
            case Opcode.CONT if self._partial is not None:
                self._on_text(self._partial + bytes(frame.data), frame.fin)
            case Opcode.PING:
                self.write(prepared.pong_frame(bytes(frame.data)))
            case Opcode.PONG:
                pass
            case Opcode.BINARY:
                self._reject(UNSUPPORTED, "binary frames are not taken")
            case Opcode.CLOSE:
                self._on_close(bytes(frame.data))
            case _:
                self._reject(PROTOCOL_ERROR, "a frame out of place")

    def _on_text(self, data: bytes, is_last: bool) -> None:
        if len(data) > frames.MAX_INBOUND_BYTES:
            self._reject(TOO_BIG, f"over {frames.MAX_INBOUND_BYTES} bytes")
        elif not is_last:
            self._partial = data
        else:
            self._partial = None
            self._on_message(data)

    def _on_message(self, data: bytes) -> None:
        try:
            data.decode()
        except UnicodeDecodeError:
            self._reject(INVALID_DATA, "not UTF-8")
            return
        try:
            ping = frames.decode_ping(data)
        except frames.FrameError as error:
            self._reject(UNSUPPORTED, str(error))
            return
        self.room.on_ping(self, ping)

    def _on_close(self, data: bytes) -> None:
        """Answer the close, unless it answers ours; then close the connection."""
        assert self.transport is not None
        self._stop_reading()
        if not self.is_closing:
            try:
                code = Close.parse(data).code
            except ProtocolError:
                code = PROTOCOL_ERROR
            except UnicodeDecodeError:
                code = INVALID_DATA
            answer = prepared.close_frame(code, "") if code != 1005 else prepared.EMPTY_CLOSE_FRAME
            self.begin_closing(answer)
        self.transport.close()

    def _is_answer(self, opcode: Opcode) -> bool:
        """Whether the protocol requires the viewer to send this: it is not rate-limited."""
        return opcode is Opcode.CLOSE or (opcode is Opcode.PONG and self._is_pinged)

    def _may_send(self) -> bool:
        """Count a frame; the viewer that sends too many is heard no more."""
        now = asyncio.get_running_loop().time()
        if now - self._since >= 1:
            self._since, self._frames = now, 0
        self._frames += 1
        if self._frames <= MAX_FRAMES_A_SECOND:
            return True
        self._stop_reading()  # else parsing the rest would delay everybody
        self._reject(POLICY, f"more than {MAX_FRAMES_A_SECOND} frames a second")
        return False
