"""What a viewer may send, frame by frame, and what it costs when it sends too much."""

import asyncio

import pytest
from websockets.frames import Close, Frame, Opcode

from coordinator import prepared
from coordinator.connections import Connections
from coordinator.encodings import websocket
from coordinator.room import Room
from coordinator.websocket import MAX_FRAMES_A_SECOND, WebSocketViewer
from protocol.frames import MAX_INBOUND_BYTES

PING = b'{"type":"ping","id":1}'
PONG = Frame(Opcode.PONG, b"").serialize(mask=True)


class Socket(asyncio.Transport):
    """A transport that remembers what was written, and whether it was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.is_closed = False
        self.is_aborted = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_aborted = True

    def is_closing(self) -> bool:
        return self.is_closed

    def closed_with(self, code: int) -> bool:
        """Whether a close frame of this code is the last that was written."""
        _, _, last = self.written.rpartition(b"\x88")
        return last[1:3] == code.to_bytes(2, "big")


async def joined(connections: Connections | None = None) -> tuple[WebSocketViewer, Socket]:
    connections = connections or Connections(ring=None)
    room = Room("main", "coordinator-1", connections)
    room.on_read()
    viewer, socket = WebSocketViewer(room, websocket(1, True, True)), Socket()
    connections.add(viewer)
    room.join(viewer, socket, "", None)
    socket.written = b""
    return viewer, socket


def text(data: bytes) -> bytes:
    return Frame(Opcode.TEXT, data).serialize(mask=True)


async def test_what_comes_after_too_many_frames_is_not_even_parsed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    viewer, socket = await joined()
    parse, parsed = Frame.parse, []

    def counted(*args: object, **options: object) -> object:
        parsed.append(args)
        return parse(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Frame, "parse", counted)
    viewer.data_received(PONG * 40_000)
    viewer.data_received(PONG * 40_000)
    assert len(parsed) == MAX_FRAMES_A_SECOND + 1
    assert socket.closed_with(1008)


async def test_the_answer_to_a_heartbeat_is_not_one_of_the_ten() -> None:
    viewer, socket = await joined()
    viewer.send_heartbeat()
    assert socket.written == prepared.PING_FRAME
    viewer.data_received(text(PING) * 5 + PONG + text(PING) * 5)
    assert not viewer.is_closing
    assert socket.written.count(b'"type":"pong"') == 10
    viewer.data_received(PONG)  # nobody has asked for this one
    assert socket.closed_with(1008)


async def test_frames_that_come_one_by_one_are_counted_too() -> None:
    viewer, socket = await joined()
    for _ in range(10):
        viewer.data_received(text(PING))
    assert not viewer.is_closing
    viewer.data_received(text(PING))
    assert socket.closed_with(1008)
    assert socket.written.count(b'"type":"pong"') == 10


async def test_a_ping_in_pieces_is_read_whole_wherever_it_was_cut() -> None:
    whole = text(PING)
    for cut in range(1, len(whole)):
        viewer, socket = await joined()
        viewer.data_received(whole[:cut])
        viewer.data_received(whole[cut:])
        assert socket.written.count(b'"type":"pong"') == 1


async def test_the_rest_of_a_frame_is_not_taken_for_a_frame() -> None:
    viewer, socket = await joined()
    whole = text(bytes(MAX_INBOUND_BYTES))
    rest = text(PING)
    viewer.data_received(whole[: -len(rest)])
    viewer.data_received(rest)
    assert b"pong" not in socket.written
    assert viewer.is_closing  # it was read as a part of the long frame, which is no ping


async def test_a_message_within_another_one_s_fragments_is_out_of_place() -> None:
    viewer, socket = await joined()
    viewer.data_received(Frame(Opcode.TEXT, PING[:5], fin=False).serialize(mask=True))
    viewer.data_received(text(PING))
    assert socket.closed_with(1002)
    assert b"pong" not in socket.written


async def test_who_is_being_closed_gets_no_more_answers() -> None:
    viewer, socket = await joined()
    viewer.close(1001, "")
    viewer.data_received(text(PING))
    assert b"pong" not in socket.written


async def test_who_leaves_after_ten_frames_is_answered() -> None:
    viewer, socket = await joined()
    close = Frame(Opcode.CLOSE, Close(1000, "").serialize()).serialize(mask=True)
    viewer.data_received(text(PING) * 10 + close + PONG * 100)
    assert socket.closed_with(1000)
    assert socket.is_closed


async def test_who_says_that_it_leaves_and_does_not_go_is_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("coordinator.viewer.CLOSING_SECONDS", 0.0)
    connections = Connections(ring=None)
    viewer, socket = await joined(connections)
    _, other = await joined(connections)
    viewer.data_received(Frame(Opcode.CLOSE, b"").serialize(mask=True))
    async with asyncio.timeout(10):
        while not socket.is_aborted:
            await asyncio.sleep(0.01)
    assert not other.is_aborted


async def test_a_reason_that_is_not_utf_8_is_answered() -> None:
    viewer, socket = await joined()
    viewer.data_received(Frame(Opcode.CLOSE, b"\x03\xe8\xff").serialize(mask=True))
    assert socket.closed_with(1007)
    assert socket.is_closed


async def test_a_viewer_that_says_nothing_of_itself_any_more_reports_nothing() -> None:
    connections = Connections(ring=None)
    room = Room("main", "coordinator-1", connections)
    room.on_read()
    viewer = WebSocketViewer(room, websocket(1, True, True))
    connections.add(viewer)
    room.join(viewer, Socket(), "", None)
    viewer.data_received(text(b'{"type":"ping","id":1,"seq":0,"error_ms":2}'))
    assert (room.screens().reporting, room.screens().in_step) == (1, 1)
    viewer.data_received(text(PING))
    assert room.screens().reporting == 0
