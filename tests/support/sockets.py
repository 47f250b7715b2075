"""Viewers of a room over real sockets that take little at a time, with the far end of each."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

from coordinator.encodings import event_stream
from coordinator.event_stream import EventStreamViewer
from coordinator.room import Room

from .waiting import WAIT_SECONDS

LITTLE = 4096


class Watcher(EventStreamViewer):
    """A viewer that notes whether its descriptor was still its own when it left."""

    descriptor = -1
    was_open: bool | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        self.was_open = os.fstat(self.descriptor) is not None
        super().connection_lost(exc)


@asynccontextmanager
async def joined(room: Room, count: int) -> AsyncIterator[list[tuple[Watcher, socket.socket]]]:
    """Viewers in the room, each with the far end of its connection; the greetings are read."""
    loop = asyncio.get_running_loop()
    listener = socket.create_server(("127.0.0.1", 0), backlog=count)
    pairs: list[tuple[Watcher, socket.socket]] = []
    for _ in range(count):
        far = socket.socket()
        far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, LITTLE)
        far.connect(listener.getsockname())
        near, _ = listener.accept()
        near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, LITTLE)
        far.setblocking(False)
        viewer = Watcher(room, event_stream(True))
        transport, _ = await loop.connect_accepted_socket(partial(_same, viewer), near)
        viewer.descriptor = transport.get_extra_info("socket").fileno()
        viewer.transport = transport
        room._connections.add(viewer)
        room.join(viewer, transport, "", None)
        pairs.append((viewer, far))
    listener.close()
    for _, far in pairs:
        await received(far, lambda data: data.endswith(b"\n\n\r\n"))
    try:
        yield pairs
    finally:
        for viewer, far in pairs:
            far.close()
            assert viewer.transport is not None
            viewer.transport.abort()
        await asyncio.sleep(0)


def _same(viewer: Watcher) -> Watcher:
    return viewer


async def received(far: socket.socket, is_all: int | Callable[[bytes], bool]) -> bytes:
    """Read until all is there: so many bytes, or what is asked for."""
    loop, data = asyncio.get_running_loop(), b""
    async with asyncio.timeout(WAIT_SECONDS):
        while len(data) < is_all if isinstance(is_all, int) else not is_all(data):
            more = await loop.sock_recv(far, 1 << 20)
            assert more, "the connection ended"
            data += more
    return data


def at_once(far: socket.socket) -> bytes:
    """Read what is there without letting the loop run: the near end has room again after it."""
    data = b""
    while True:
        try:
            data += far.recv(1 << 20)
        except BlockingIOError:
            return data


def is_held_back(viewer: Watcher) -> bool:
    assert viewer.transport is not None
    return viewer.transport.get_write_buffer_size() > 0
