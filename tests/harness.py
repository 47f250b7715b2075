"""A real bus, viewers and the questions that tests ask of them."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestServer
from nats.aio.client import Client
from nats.js.errors import NotFoundError

from protocol import subjects

WAIT_SECONDS = 10.0

Frame = dict[str, Any]
Serve = Callable[..., Awaitable[TestServer]]


class NatsServer:
    """One nats-server with JetStream, on a port of its own that it keeps when it is restarted."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.directory = directory
        self.options = options
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def start(self) -> None:
        program = Path(sys.executable).with_name("nats-server")
        self.process = subprocess.Popen(
            [
                *(str(program), "-a", "127.0.0.1", "-p", str(self.port)),
                *("-js", "-sd", str(self.directory)),
                *self.options,
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.005)
        raise TimeoutError("nats-server did not come up")

    def kill(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(WAIT_SECONDS)
            self.process = None


class Viewer:
    """A viewer's WebSocket; `frames` is all that came."""

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
        """Read up to the frame that is asked for."""
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
async def viewing(server: TestServer, **query: Any) -> AsyncIterator[Viewer]:
    """Connect as a viewer."""
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(server.make_url("/ws/connect").update_query(query)) as socket,
    ):
        yield Viewer(socket)


def is_last_tick(frame: Frame) -> bool:
    return bool(frame["type"] == "tick" and frame["remaining"] == 0)


async def ask(bus: Client, subject: str, **request: Any) -> tuple[int, Any]:
    """Ask a service; gives the code (200 where it is no error) and the reply's JSON."""
    reply = await bus.request(subject, json.dumps(request).encode(), timeout=5)
    code = int((reply.headers or {}).get("Nats-Service-Error-Code", "200"))
    return code, json.loads(reply.data) if reply.data else None


async def history(bus: Client, room: str = "main") -> list[Frame]:
    """The room's events as the stream holds them, each with its `seq`; read apart from our code."""
    jetstream = bus.jetstream()
    events: list[Frame] = []
    info = await jetstream.stream_info(subjects.STREAM)
    for seq in range(info.state.first_seq, info.state.last_seq + 1):
        try:
            entry = await jetstream.get_msg(subjects.STREAM, seq)
        except NotFoundError:
            continue
        if entry.subject == f"countdown.{room}.events":
            try:
                events.append(json.loads(entry.data or b"") | {"seq": seq})
            except ValueError:
                continue
    return events


async def until(is_so: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something is so; it is looked at over and over."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not await is_so():
            await asyncio.sleep(0.01)


async def until_ready(server: TestServer, status: int = 200) -> None:
    """Wait until `/readyz` says what it should."""
    async with aiohttp.ClientSession() as session:

        async def is_ready() -> bool:
            async with session.get(server.make_url("/readyz")) as response:
                return response.status == status

        await until(is_ready)


async def metric(server: TestServer, name: str) -> float:
    """A figure of `/metrics`, with its labels as they are written there."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(server.make_url("/metrics")) as response,
    ):
        for line in (await response.text()).splitlines():
            if line.startswith(name + " "):
                return float(line.rpartition(" ")[2])
    return 0.0


def missing(what: str) -> None:
    """Skip, with the reason; but where CI says that it has everything, fail."""
    if os.environ.get("CI"):
        pytest.fail(f"{what}, and CI skips nothing")
    pytest.skip(what)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
