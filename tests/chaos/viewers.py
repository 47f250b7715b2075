"""Viewers as programs: WebSocket clients that resume after a drop and record every tick."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random

import aiohttp

from .stack import Stack

FIRST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 15.0
OPENING_SECONDS = 5.0
"""As in the page."""


@dataclass(frozen=True)
class Seen:
    """A tick as a viewer received it; `at` is milliseconds since the Unix epoch."""

    seq: int
    run: str
    remaining: int
    due: int
    at: float


@dataclass
class Viewer:
    """One viewer of `room`, which tries the `addresses` in turn."""

    http: aiohttp.ClientSession
    addresses: Sequence[str]
    room: str
    random: Random
    ticks: list[Seen] = field(default_factory=list)
    hellos: list[dict[str, object]] = field(default_factory=list)
    texts: int = 0
    order_faults: int = 0
    drops: int = 0
    """How often it lost its connection."""
    byes: list[int] = field(default_factory=list)
    epoch: str = ""
    seq: int = 0
    is_open: bool = False
    floor: int = 0
    """The next frame of this connection must have a higher sequence."""
    finished: set[str] = field(default_factory=set)
    close_code: int | None = None

    async def watch(self) -> None:
        """Stay connected until cancelled."""
        turn = failures = 0
        while True:
            window = None
            try:
                window = await self._connected(self.addresses[turn % len(self.addresses)])
                failures = 0
            except (aiohttp.ClientError, TimeoutError, OSError):
                failures += 1
            turn += 1
            if window is None:
                rest = failures % len(self.addresses)
                rounds = 1 if rest else failures // len(self.addresses)
                ladder = FIRST_WAIT_SECONDS * 2 ** max(0, rounds - 1)
                window = min(LONGEST_WAIT_SECONDS, ladder)
            await asyncio.sleep(self.random.random() * window)

    async def _connected(self, address: str) -> float | None:
        """One connection until it ends; gives the window for reconnecting, in seconds."""
        query = {"room": self.room}
        if self.epoch:
            query |= {"epoch": self.epoch, "after": str(self.seq)}
        window = None
        opening = self.http.ws_connect(f"{address}/ws/connect", params=query, autoping=True)
        # Not wait_for: before Python 3.12 it may lose the cancellation.
        async with asyncio.timeout(OPENING_SECONDS):
            socket = await opening
        try:
            async for message in socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    frame = json.loads(message.data)
                    if frame["type"] == "bye":
                        self.byes.append(frame["reconnect_ms"])
                        window = frame["reconnect_ms"] / 1000
                    else:
                        self._take(frame)
        finally:
            self.is_open = False
            self.drops += 1
            self.close_code = socket.close_code
            await socket.close()
        return window

    def _take(self, frame: dict[str, object]) -> None:
        at = time.time() * 1000
        if frame["type"] == "hello":
            self.is_open = True
            self.hellos.append(frame)
            if frame["epoch"] != self.epoch:
                self.epoch, self.seq = str(frame["epoch"]), 0
            if not frame["complete"]:  # the stream may have been restored, and end earlier
                self.seq = min(self.seq, _integer(frame["seq"]))
            # If not all could be replayed, some of it may have been seen before.
            self.floor = self.seq if frame["complete"] else 0
            if not frame["replayed"]:
                self.seq = self.floor = max(self.seq, _integer(frame["seq"]))
            return
        if "seq" not in frame:
            return
        seq = _integer(frame["seq"])
        if seq <= self.floor:
            self.order_faults += 1
        self.floor = seq
        if seq <= self.seq:
            return
        self.seq = seq
        if frame["type"] == "message":
            self.texts += 1
        elif frame["type"] == "tick":
            remaining, run = _integer(frame["remaining"]), str(frame["run"])
            self.ticks.append(Seen(seq, run, remaining, _integer(frame["due"]), at))
            if not remaining:
                self.finished.add(run)
        elif frame["type"] == "cancelled":
            self.finished.add(str(frame["run"]))


def _integer(value: object) -> int:
    assert isinstance(value, int)
    return value


@asynccontextmanager
async def watching(
    stack: Stack, rooms: Sequence[str], count: int, random: Random
) -> AsyncIterator[list[Viewer]]:
    """`count` viewers spread over `rooms` and over all coordinators, all connected."""
    addresses = stack.addresses
    viewers = [
        Viewer(
            stack.http,
            addresses[number % len(addresses) :] + addresses[: number % len(addresses)],
            rooms[number // len(addresses) % len(rooms)],
            Random(random.random()),
        )
        for number in range(count)
    ]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(viewer.watch()) for viewer in viewers]
        try:
            await until(lambda: all(viewer.is_open for viewer in viewers), 30.0)
            yield viewers
        finally:
            for task in tasks:
                task.cancel()


async def until(is_so: Callable[[], bool], seconds: float) -> bool:
    """Wait until `is_so`; false if that took too long."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.02)
    return True
