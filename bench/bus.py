"""A real nats-server of a measurement's own, and what is published on it."""

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import nats
from nats.aio.client import Client

from bench.machine import CACHE, LOAD_CORE
from bench.programs import Program, running
from support.nats_server import command
from support.ports import free_ports

FRAME_BYTES = 122

CONFIGURATION = """
jetstream {{ {sync} }}
websocket {{ listen: "127.0.0.1:{websocket_port}", no_tls: true, compression: false }}
"""


@dataclass(frozen=True, slots=True)
class Bus:
    """A running nats-server."""

    url: str
    websocket_port: int
    program: Program


@asynccontextmanager
async def nats_server(
    *, core: int | None = LOAD_CORE, sync_always: bool = False
) -> AsyncIterator[Bus]:
    """Run a nats-server with an empty store; `sync_always` syncs every append to the disk."""
    port, websocket_port = free_ports(2)
    run = CACHE / "run"
    run.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=run))
    try:
        configuration = folder / "nats.conf"
        configuration.write_text(
            CONFIGURATION.format(
                websocket_port=websocket_port,
                sync="sync_interval: always" if sync_always else "enabled: true",
            )
        )
        words = command(port, folder / "store", configuration)
        async with running("nats-server", words, core=core, port=port) as server:
            yield Bus(f"nats://127.0.0.1:{port}", websocket_port, server)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def connected(bus: Bus) -> AsyncIterator[Client]:
    """A client of the bus."""
    client = await nats.connect(bus.url)
    try:
        yield client
    finally:
        await client.close()


class Voice:
    """Publishes stamped messages so that each viewer of a server gets the same 122-byte frame.

    The coordinator is given the text and makes the frame; its peers are given the frame.
    The text begins with the microsecond of its publishing.
    """

    def __init__(self, client: Client, subject: str, *, makes_frames: bool) -> None:
        self._client = client
        self._subject = subject
        self._makes_frames = makes_frames
        self._seq = 100

    async def say(self, count: int = 1, room: str = "main") -> None:
        """Publish messages, all in one go."""
        for _ in range(count):
            self._seq += 1
            await self._client.publish(self._subject.format(room=room), self._payload(room))
        await self._client.flush()

    async def say_steadily(
        self, count: int, per_second: float, rooms: list[str] | None = None
    ) -> None:
        """Publish at absolute times, so that a late one shifts no other; rooms take turns."""
        started_at = time.monotonic()
        for index in range(count):
            await asyncio.sleep(started_at + index / per_second - time.monotonic())
            await self.say(room=rooms[index % len(rooms)] if rooms else "main")

    def _payload(self, room: str) -> bytes:
        stamp = time.time_ns() // 1000
        rest = f'","at":{stamp // 1000}}}'
        head = f'{{"type":"message","seq":{self._seq},"room":"{room}","text":"'
        text = f"{stamp} ".ljust(FRAME_BYTES - len(head) - len(rest), "x")
        return (head + text + rest if self._makes_frames else text).encode()
