"""A viewer of a room: a WebSocket and the frames that came over it."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp.test_utils import TestServer

from .waiting import WAIT_SECONDS

Frame = dict[str, Any]

UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
"""The headers of a WebSocket's handshake."""


class Viewer:
    """A viewer's WebSocket; `frames` is all that it has received."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.frames: list[Frame] = []

    async def frame(self) -> Frame:
        """The next frame."""
        message = await self.socket.receive(timeout=WAIT_SECONDS)
        assert message.type is aiohttp.WSMsgType.TEXT, message
        self.frames.append(json.loads(message.data))
        return self.frames[-1]

    async def until(self, is_it: Callable[[Frame], bool]) -> Frame:
        """Read up to the first frame that meets the condition."""
        while not is_it(frame := await self.frame()):
            pass
        return frame

    async def closed(self) -> int:
        """Read until the server closes; gives its code."""
        while True:
            message = await self.socket.receive(timeout=WAIT_SECONDS)
            if message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED):
                return self.socket.close_code or 0

    @property
    def ticks(self) -> list[int]:
        return [int(frame["remaining"]) for frame in self.frames if frame["type"] == "tick"]

    @property
    def seqs(self) -> list[int]:
        return [f["seq"] for f in self.frames if f["type"] != "hello" and "seq" in f]


@asynccontextmanager
async def viewing(
    server: TestServer, headers: Mapping[str, str] | None = None, **query: Any
) -> AsyncIterator[Viewer]:
    """Connect as a viewer."""
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.ws_connect(server.make_url("/ws/connect").update_query(query)) as socket,
    ):
        yield Viewer(socket)


def is_last_tick(frame: Frame) -> bool:
    return bool(frame["type"] == "tick" and frame["remaining"] == 0)
