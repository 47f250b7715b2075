"""aiohttp answers the handshake and lets go of the socket: what that rests on, what it gives."""

import asyncio
import gc
import socket
import struct

import aiohttp
import websockets
from aiohttp import web
from aiohttp.test_utils import TestServer
from websockets.frames import Frame, Opcode

from coordinator.viewer import WebSocketViewer
from harness import WAIT_SECONDS, Serve, until, viewing


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


async def raw(server: TestServer) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(
        b"GET /ws/connect HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
        b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    head = await reader.readuntil(b"\r\n\r\n")
    assert b" 101 " in head.splitlines()[0]
    assert b"Sec-WebSocket-Extensions" not in head
    return reader, writer


async def text(reader: asyncio.StreamReader) -> bytes:
    first, length = await reader.readexactly(2)
    assert first == 0x81, hex(first)
    if length == 126:
        (length,) = struct.unpack("!H", await reader.readexactly(2))
    return await reader.readexactly(length)


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
        (seated,) = [v for v in gc.get_objects() if isinstance(v, WebSocketViewer)]
        assert seated.transport is not None
        connection = seated.transport.get_extra_info("socket")
        size = connection.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
        assert size <= 256 * 1024
        assert seated.transport.get_write_buffer_limits()[1] == 64 * 1024


async def test_a_plain_request_is_told_to_upgrade(serve_coordinator: Serve) -> None:
    server = await serve_coordinator()
    async with (
        aiohttp.ClientSession() as session,
        session.get(server.make_url("/ws/connect")) as response,
    ):
        assert response.status in (400, 426)
