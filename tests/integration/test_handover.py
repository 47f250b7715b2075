"""aiohttp answers the handshake and lets go of the socket: what that rests on, what it gives."""

import asyncio
import gc
import socket
import struct

import aiohttp
import pytest
import websockets
from aiohttp import web
from aiohttp.test_utils import TestServer
from nats.aio.client import Client
from websockets.frames import Close, Frame, Opcode

from coordinator.admission import ADMISSION
from coordinator.connections import CONNECTIONS
from coordinator.websocket import WebSocketViewer
from support.served import Serve
from support.viewer import viewing
from support.waiting import WAIT_SECONDS, until


def handlers_alive(server: TestServer) -> int:
    assert isinstance(server.runner, web.AppRunner)
    assert server.runner.server is not None
    return len(server.runner.server.connections)


def viewers_alive() -> int:
    gc.collect()
    return sum(isinstance(thing, WebSocketViewer) for thing in gc.get_objects())


async def test_aiohttp_keeps_nothing_of_a_viewer(serve_coordinator: Serve) -> None:
    server = await serve_coordinator()
    tasks = len(asyncio.all_tasks())
    async with viewing(server) as viewer, viewing(server):
        await viewer.frame()

        async def is_let_go() -> bool:
            return handlers_alive(server) == 0

        await until(is_let_go)
        assert viewers_alive() == 2
        # Each client of this test has its own; the server has none for a viewer.
        assert len(asyncio.all_tasks()) <= tasks + 4


async def test_a_viewer_that_leaves_is_freed_at_once(serve_coordinator: Serve) -> None:
    server = await serve_coordinator()
    for _ in range(20):
        async with viewing(server) as viewer:
            await viewer.frame()

    async def is_free() -> bool:
        return viewers_alive() == 0

    await until(is_free)


async def test_the_websockets_library_agrees_with_us(serve_coordinator: Serve) -> None:
    server = await serve_coordinator()
    url = str(server.make_url("/ws/connect")).replace("http", "ws", 1)
    async with websockets.connect(url, max_size=2**20) as client:
        assert '"type":"hello"' in str(await client.recv())
        await asyncio.wait_for(await client.ping(b"are you there"), WAIT_SECONDS)
        await client.send('{"type":"ping","id":1}')
        assert '"type":"pong"' in str(await client.recv())
        await client.send(["{", '"type":"ping",', '"id":2', "}"])  # one message in four frames
        assert '"id":2' in str(await client.recv())
        await client.close(1000, "done")
        assert client.close_code == 1000


async def asking(
    server: TestServer, query: str = "", behind: bytes = b"", path: str = "/ws/connect"
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection on which a handshake was sent, and `behind` in the same segment."""
    reader, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(
        f"GET {path}{query} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        + behind
    )
    return reader, writer


async def answered(reader: asyncio.StreamReader) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    assert b" 101 " in head.splitlines()[0]
    assert b"Sec-WebSocket-Extensions" not in head


async def raw(
    server: TestServer, behind: bytes = b""
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asking(server, behind=behind)
    await answered(reader)
    return reader, writer


async def text(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(WAIT_SECONDS):
        first, length = await reader.readexactly(2)
        assert first == 0x81, hex(first)
        if length == 126:
            (length,) = struct.unpack("!H", await reader.readexactly(2))
        return await reader.readexactly(length)


def ping(number: int) -> bytes:
    return Frame(Opcode.TEXT, b'{"type":"ping","id":%d}' % number).serialize(mask=True)


async def test_a_ping_right_behind_the_handshake_is_answered(serve_coordinator: Serve) -> None:
    reader, writer = await raw(await serve_coordinator(), behind=ping(3) + ping(4))
    assert b"hello" in await text(reader)
    assert b'"id":3' in await text(reader)
    assert b'"id":4' in await text(reader)
    writer.close()


@pytest.mark.parametrize("size", [1, 5, 20])
async def test_a_frame_may_begin_in_the_handshake_s_segment(
    serve_coordinator: Serve, size: int
) -> None:
    frame = ping(3)
    reader, writer = await raw(await serve_coordinator(), behind=frame[:size])
    assert b"hello" in await text(reader)
    writer.write(frame[size:])
    assert b'"id":3' in await text(reader)
    writer.close()


async def test_who_leaves_right_behind_the_handshake_is_answered(serve_coordinator: Serve) -> None:
    server = await serve_coordinator()
    close = Frame(Opcode.CLOSE, Close(1000, "").serialize()).serialize(mask=True)
    reader, writer = await raw(server, behind=close)
    assert b"hello" in await text(reader)
    assert await reader.read() == Frame(Opcode.CLOSE, b"\x03\xe8").serialize(mask=False)
    writer.close()


async def test_what_is_sent_while_the_handshake_waits_is_answered(
    serve_coordinator: Serve, bus: Client
) -> None:
    server = await serve_coordinator()
    async with viewing(server) as viewer:
        epoch = (await viewer.frame())["epoch"]

    def held_back() -> list[bytes]:
        assert isinstance(server.runner, web.AppRunner)
        assert server.runner.server is not None
        return [
            handler._message_tail
            for handler in server.runner.server.connections
            if handler._request_in_progress
        ]

    async def until_held_back(held: bytes) -> None:
        async def is_so() -> bool:
            return held_back() == [held]

        await until(is_so)

    one, other = ping(3), ping(4)
    reader, writer = await asking(server, f"?epoch={epoch}&after=1", behind=one[:9])
    await until_held_back(one[:9])
    writer.write(one[9:] + other[:9])
    await until_held_back(one + other[:9])
    await bus.publish("countdown.main.message", b"what the viewer has seen already")
    await answered(reader)
    hello = await text(reader)
    assert b'"complete":true' in hello
    assert b'"replayed":0' in hello
    assert b'"id":3' in await text(reader)
    writer.write(other[9:])
    assert b'"id":4' in await text(reader)
    writer.close()


async def test_a_frame_may_come_byte_by_byte(serve_coordinator: Serve) -> None:
    reader, writer = await raw(await serve_coordinator())
    assert b"hello" in await text(reader)
    for byte in Frame(Opcode.TEXT, b'{"type":"ping","id":3}').serialize(mask=True):
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0)
    assert b'"id":3' in await text(reader)
    writer.close()


async def test_a_frame_without_a_mask_ends_the_connection(serve_coordinator: Serve) -> None:
    reader, writer = await raw(await serve_coordinator())
    await text(reader)
    writer.write(Frame(Opcode.TEXT, b'{"type":"ping","id":3}').serialize(mask=False))
    assert (await reader.readexactly(4))[2:] == struct.pack("!H", 1002)
    writer.close()


async def test_a_text_that_is_not_utf_8_ends_the_connection(serve_coordinator: Serve) -> None:
    reader, writer = await raw(await serve_coordinator())
    await text(reader)
    writer.write(Frame(Opcode.TEXT, b"\xff\xfe").serialize(mask=True))
    assert (await reader.readexactly(4))[2:] == struct.pack("!H", 1007)
    writer.close()


async def test_the_kernel_holds_little_back_for_a_viewer(serve_coordinator: Serve) -> None:
    server = await serve_coordinator()
    async with viewing(server) as viewer:
        await viewer.frame()
        gc.collect()
        (viewer_of_it,) = [v for v in gc.get_objects() if isinstance(v, WebSocketViewer)]
        assert viewer_of_it.transport is not None
        connection = viewer_of_it.transport.get_extra_info("socket")
        size = connection.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
        assert size <= 256 * 1024
        assert viewer_of_it.transport.get_write_buffer_limits()[1] == 64 * 1024


async def test_a_socket_that_takes_no_options_is_a_viewer_s_all_the_same(
    serve_coordinator: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = await serve_coordinator()
    monkeypatch.setattr(socket, "SO_SNDBUF", 0xFFFF)  # as for one that the peer has reset, on macOS
    connections = server.app[CONNECTIONS]
    async with viewing(server) as viewer:
        assert (await viewer.frame())["type"] == "hello"
        assert connections.count == 1

    async def is_empty() -> bool:
        return connections.count == 0

    await until(is_empty)


async def test_a_plain_request_is_told_to_upgrade(serve_coordinator: Serve) -> None:
    server = await serve_coordinator()
    async with (
        aiohttp.ClientSession() as session,
        session.get(server.make_url("/ws/connect")) as response,
    ):
        assert response.status in (400, 426)


@pytest.mark.parametrize("path", ["/ws/connect", "/sse/connect"])
async def test_a_viewer_that_leaves_while_it_waits_is_no_error(
    serve_coordinator: Serve, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    server = await serve_coordinator()
    assert isinstance(server.runner, web.AppRunner)
    assert server.runner.server is not None
    server.runner.server.handler_cancellation = False  # as in a process, unlike in a TestServer
    async with viewing(server) as viewer:
        hello = await viewer.frame()
    ahead = f"?epoch={hello['epoch']}&after=1000000"  # it waits for the coordinator to catch up
    _, writer = await asking(server, ahead, path=path)
    admission = server.app[ADMISSION]

    async def is_waiting() -> bool:
        return admission._handshakes == 1

    async def is_over() -> bool:
        return admission._handshakes == 0

    await until(is_waiting)
    writer.transport.abort()
    await until(is_over)
    assert "Error handling request" not in caplog.text
