"""Viewers that never read, beside viewers that do."""

import asyncio
import base64
import os
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from statistics import quantiles

from .countdowns import LEAD_MS, new_rooms, now, settled, start
from .row import Row, Trial
from .stack import Service, Stack, running
from .viewers import Viewer, until, watching

SILENT = 20
MESSAGE = b"x" * 4000
FILLING_MESSAGES = 120
GROWTH_MB = 64.0
"""The most that a coordinator may grow."""


async def never_read(trial: Trial) -> None:
    """Fill the buffers of those who do not read, then count until they are closed."""
    stack, outcome = trial.stack, trial.outcome
    [coordinator] = stack.coordinators
    [room] = new_rooms(trial)
    async with watching(stack, [room], trial.either(200, 40), trial.random) as viewers:
        before = await _count(stack, room, viewers, first=trial.either(15, 3))
        memory, ended = coordinator.process.memory_mb(), await _closed_for_slowness(stack)
        async with _silent_sockets(coordinator, room) as sockets:
            async with stack.client() as client:
                for _ in range(FILLING_MESSAGES):
                    await client.publish(f"countdown.{room}.message", MESSAGE)
                    await asyncio.sleep(trial.either(2.0, 1.0) / FILLING_MESSAGES)
            counting = asyncio.create_task(_count(stack, room, viewers, first=55))
            closing = ended
            while closing < ended + SILENT and not counting.done():
                await asyncio.sleep(0.1)
                closing = await _closed_for_slowness(stack)
            outcome.demand(closing == ended + SILENT, f"{closing - ended:.0f} of 20 were closed")
            # What was said to them is heard by those of them who begin to read now.
            codes = await asyncio.gather(*map(_read_to_the_end, sockets[: SILENT // 2]))
            outcome.demand(set(codes) == {1013}, f"they were closed with {set(codes)}")
            during = await counting
            outcome.worst("growth of the coordinator, MB", coordinator.process.memory_mb() - memory)
        names = [before, during]
        facts = await settled(stack, names)
        outcome.judge_stream(facts, names)
        outcome.judge_viewers(facts, names, viewers)
        outcome.worst("a reader's tick late at p99 without them, ms", _p99_late(viewers, before))
        outcome.worst("a reader's tick late at p99 with them, ms", _p99_late(viewers, during))
        growth = outcome.figures["growth of the coordinator, MB"]
        outcome.demand(growth < GROWTH_MB, f"the coordinator grew by {growth:.0f} MB")
        outcome.demand(not any(viewer.drops for viewer in viewers), "a reader was closed")
    outcome.judge_services(stack)


async def _count(stack: Stack, room: str, viewers: list[Viewer], first: int) -> str:
    terms = {"from": first, "interval_ms": 200, "starts_at": int(now()) + LEAD_MS}
    name = await start(stack, room, **terms)
    await until(lambda: all(name in viewer.finished for viewer in viewers), first * 0.2 + 10)
    return name


def _p99_late(viewers: list[Viewer], run: str) -> float:
    late = [tick.at - tick.due for viewer in viewers for tick in viewer.ticks if tick.run == run]
    return quantiles(late, n=100)[-1]


async def _closed_for_slowness(stack: Stack) -> float:
    return await stack.metric(stack.coordinators[0], 'tminus_viewers_ended_total{why="slow"}')


@asynccontextmanager
async def _silent_sockets(coordinator: Service, room: str) -> AsyncIterator[list[socket.socket]]:
    """Viewers that shake hands and then never read."""
    sockets = [await shake_hands(coordinator, room) for _ in range(SILENT)]
    try:
        yield sockets
    finally:
        for connection in sockets:
            connection.close()


async def shake_hands(coordinator: Service, room: str) -> socket.socket:
    loop = asyncio.get_running_loop()
    connection = socket.socket()
    connection.setblocking(False)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    await loop.sock_connect(connection, (coordinator.host, coordinator.port))
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [
        f"GET /ws/connect?room={room} HTTP/1.1",
        f"Host: {coordinator.host}:{coordinator.port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {key}",
    ]
    await loop.sock_sendall(connection, ("\r\n".join(lines) + "\r\n\r\n").encode())
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        answer += await loop.sock_recv(connection, 1)
    assert b" 101 " in answer, answer
    return connection


async def _read_to_the_end(connection: socket.socket) -> int:
    """The code of the close frame (RFC 6455, 5.5.1); 0 where there was none."""
    loop = asyncio.get_running_loop()
    data = b""
    code = 0
    while not code and (more := await asyncio.wait_for(loop.sock_recv(connection, 65536), 5.0)):
        data += more
        while (frame := _first_frame(data)) is not None:
            opcode, payload, data = frame
            if opcode == 8:
                code = struct.unpack("!H", payload[:2])[0]
    return code


def _first_frame(data: bytes) -> tuple[int, bytes, bytes] | None:
    """A server's frame, and what follows it (RFC 6455, 5.2); None where it is incomplete."""
    if len(data) < 10:
        short = len(data) >= 2 and len(data) >= 2 + data[1] and data[1] < 126
        if not short:
            return None
    length, start = data[1], 2
    if length == 126:
        length, start = struct.unpack("!H", data[2:4])[0], 4
    elif length == 127:
        length, start = struct.unpack("!Q", data[2:10])[0], 10
    end = start + length
    if len(data) < end:
        return None
    return data[0] & 0x0F, data[start:end], data[end:]


ROWS = [
    Row(
        "never-read",
        "20 viewers that never read, 200 that do",
        "the 200 lose nothing and are no later; memory bounded; the 20 are closed with 1013",
        never_read,
        rounds=2,
        setting=partial(running, coordinators=1),
        late_limit_ms=100,
    )
]
