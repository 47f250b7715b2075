"""A coordinator of some version, and its viewers: crowds, or one that notes what it hears."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from aiohttp import ClientError, ClientSession

from bench.bus import Bus
from bench.load import Load, load
from bench.programs import Program
from bench.servers import TMINUS, serving
from bench.versions import Version

READY_SECONDS = 60.0
JOINS_AT_ONCE = 100


@asynccontextmanager
async def coordinator(version: Version, bus: Bus) -> AsyncIterator[tuple[Program, int, float]]:
    """Run a coordinator until it is ready; gives also how many seconds that took."""
    began = time.monotonic()
    async with serving(TMINUS, bus, **version.environment) as (program, port):
        async with asyncio.timeout(READY_SECONDS), ClientSession() as session:
            while not await _is_ready(session, port):
                await asyncio.sleep(0.01)
        yield program, port, time.monotonic() - began


async def _is_ready(session: ClientSession, port: int) -> bool:
    with suppress(ClientError):
        async with session.get(f"http://127.0.0.1:{port}/readyz") as answer:
            return answer.status == 200
    return False


@asynccontextmanager
async def crowd(port: int) -> AsyncIterator[Callable[[int, str], Awaitable[Load]]]:
    """Give a function that has one viewer join in each of so many rooms."""
    async with AsyncExitStack() as stack:

        async def join(rooms: int, name: str) -> Load:
            path = ("--path", f"/ws/connect?room={name}", "--rooms", str(rooms))
            crowd = await stack.enter_async_context(load(port, ("--hello", *path)))
            for joined in range(0, rooms, JOINS_AT_ONCE):
                await crowd.join(min(JOINS_AT_ONCE, rooms - joined))
            return crowd

        yield join


@asynccontextmanager
async def viewer(port: int, room: str) -> AsyncIterator[dict[int, int]]:
    """A viewer that has its `hello`; gives when it heard each sequence after that, in ns."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        f"GET /ws/connect?room={room} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    heard: dict[int, int] = {}
    try:
        async with asyncio.timeout(10):
            await reader.readuntil(b'"type":"hello"')
        hearing = asyncio.create_task(_hear(reader, heard))
        yield heard
        hearing.cancel()
    finally:
        writer.transport.abort()


async def _hear(reader: asyncio.StreamReader, heard: dict[int, int]) -> None:
    while data := await reader.read(1 << 16):
        now = time.time_ns()
        for seq in re.findall(rb'"seq":(\d+)', data):
            heard.setdefault(int(seq), now)


def quantile(values: Sequence[float], q: float) -> float:
    return sorted(values)[min(len(values) - 1, int(q * len(values)))]
