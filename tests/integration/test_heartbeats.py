"""A dead viewer is found out although the network says nothing; a silent one stays."""

import asyncio
import os
import shutil
from collections import Counter as Count
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from subprocess import run
from typing import Never

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

import coordinator.connections
import coordinator.handover
from coordinator.connections import CONNECTIONS, HEARTBEAT_LOOKS, LOOK_SECONDS
from coordinator.handover import UNACKNOWLEDGED_MS
from support.served import Serve
from support.skip import skip
from support.viewer import viewing
from support.waiting import WAIT_SECONDS

GONE_SECONDS = 45


def test_the_dead_are_gone_in_time() -> None:
    """A WebSocket has a round of heartbeats to answer; an event stream's is acknowledged or not."""
    heartbeat_seconds = HEARTBEAT_LOOKS * LOOK_SECONDS
    assert 2 * heartbeat_seconds < GONE_SECONDS
    assert heartbeat_seconds + UNACKNOWLEDGED_MS / 1000 < GONE_SECONDS


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth of the usual patience."""
    monkeypatch.setattr(coordinator.connections, "LOOK_SECONDS", 1)
    monkeypatch.setattr(coordinator.connections, "HEARTBEAT_LOOKS", 2)
    monkeypatch.setattr(coordinator.handover, "UNACKNOWLEDGED_MS", 2000)


@contextmanager
def cut_off(port: int) -> Iterator[None]:
    """Nothing passes to or from a client's port any more, and nobody is told."""
    if os.geteuid() or not shutil.which("iptables"):
        skip("cutting a network takes root and iptables")
    rules = [
        ["INPUT", "-p", "tcp", side, str(port), "-j", "DROP"] for side in ("--sport", "--dport")
    ]
    done: list[list[str]] = []
    try:
        for rule in rules:
            added = run(["iptables", "-w", "-I", *rule], capture_output=True, check=False)
            if added.returncode:
                skip(f"this kernel cuts no network: {added.stderr.decode().strip()}")
            done.append(rule)
        yield
    finally:
        for rule in done:
            run(["iptables", "-w", "-D", *rule], check=True)


async def silently(reader: asyncio.StreamReader) -> None:
    """Read on, and say nothing."""
    while await reader.read(1 << 16):
        pass


async def pinging(socket: aiohttp.ClientWebSocketResponse) -> Never:
    """Ask for the time, twice between two looks."""
    while True:
        await socket.send_str('{"type": "ping", "id": 1}')
        await asyncio.sleep(0.5)


async def hearing(socket: aiohttp.ClientWebSocketResponse, heard: Count[aiohttp.WSMsgType]) -> None:
    async for message in socket:
        heard[message.type] += 1
        if message.type is aiohttp.WSMsgType.PING:
            await socket.pong(message.data)


@asynccontextmanager
async def connected(server: TestServer, path: str) -> AsyncIterator[int]:
    """A viewer that only listens; gives the port at its own end."""
    reader, writer = await asyncio.open_connection(server.host, server.port)
    upgrade = (
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        if path.startswith("/ws")
        else ""
    )
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{upgrade}\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    task = asyncio.create_task(silently(reader))
    try:
        yield int(writer.get_extra_info("sockname")[1])
    finally:
        task.cancel()
        writer.transport.abort()


async def until_count(server: TestServer, is_it: Callable[[int], bool]) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while not is_it(server.app[CONNECTIONS].count):
            await asyncio.sleep(0.02)


@pytest.mark.usefixtures("hurried")
async def test_a_viewer_whose_network_is_dead_is_gone_and_a_silent_one_stays(
    serve_coordinator: Serve,
) -> None:
    server = await serve_coordinator()
    async with AsyncExitStack() as stack:
        dead = [
            await stack.enter_async_context(connected(server, path))
            for path in ("/ws/connect", "/sse/connect")
        ]
        living = await stack.enter_async_context(viewing(server))
        await stack.enter_async_context(connected(server, "/sse/connect"))
        await until_count(server, lambda count: count == 4)
        listening = asyncio.create_task(living.closed())
        for port in dead:
            stack.enter_context(cut_off(port))
        await until_count(server, lambda count: count < 4)
        await until_count(server, lambda count: count == 2)
        with pytest.raises(TimeoutError):  # three more rounds change nothing
            await asyncio.wait_for(until_count(server, lambda count: count != 2), 6.0)
        assert not listening.done()
        listening.cancel()


@pytest.mark.usefixtures("hurried")
async def test_a_web_socket_that_answers_no_ping_is_gone(serve_coordinator: Serve) -> None:
    server = await serve_coordinator()
    async with connected(server, "/ws/connect"):
        await until_count(server, lambda count: count == 1)
        await until_count(server, lambda count: count == 0)


@pytest.mark.usefixtures("hurried")
async def test_only_a_silent_web_socket_is_pinged(serve_coordinator: Serve) -> None:
    server = await serve_coordinator()
    url = server.make_url("/ws/connect")
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(url, autoping=False) as talking,
        session.ws_connect(url, autoping=False) as silent,
    ):
        by_talking, by_silent = Count[aiohttp.WSMsgType](), Count[aiohttp.WSMsgType]()
        tasks = [
            asyncio.create_task(pinging(talking)),
            asyncio.create_task(hearing(talking, by_talking)),
            asyncio.create_task(hearing(silent, by_silent)),
        ]
        async with asyncio.timeout(WAIT_SECONDS):
            while by_silent[aiohttp.WSMsgType.PING] < 3:
                await asyncio.sleep(0.02)
        for task in tasks:
            task.cancel()
    assert by_talking[aiohttp.WSMsgType.TEXT] > 3
    assert not by_talking[aiohttp.WSMsgType.PING]
