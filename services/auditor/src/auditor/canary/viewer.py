"""A viewer: a WebSocket as the page opens it, opened again where it left off, and its ticks."""

import asyncio
import json
import random
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Never

import aiohttp
from msgspec import Struct

from .clock import ServerClock
from .page import Page

FIRST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 15.0
OPENING_SECONDS = 5.0
SILENCE_SECONDS = 6.0
"""As in the page."""
BURST, BURST_SECONDS, PING_SECONDS = 16, 0.125, 1.0
"""So many pings at first, then one a second."""
SELDOM_SECONDS = 4.0
"""How often a viewer pings that leaves the measuring of the time to others."""


class Seen(Struct, frozen=True):
    """A tick of the run, as it arrived: at this process's clock, in milliseconds."""

    number: int
    due: float
    at: float
    instance: str


class Viewer:
    """Watches the room of a page; what it says of the server's time is each coordinator's own."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        page: Page,
        number: int,
        clocks: dict[str, ServerClock] | None = None,
        *,
        is_measuring: bool = True,
    ) -> None:
        """`clocks` are those of several viewers of this process; who is not measuring leaves them
        to the others."""
        self.name = f"viewer {number}"
        self.ticks: dict[str, list[Seen]] = {}
        """Of each run that it saw."""
        self.clocks: dict[str, ServerClock] = {} if clocks is None else clocks
        self._is_measuring = is_measuring
        self.reason = "no answer"
        """Why it has no connection."""
        self.drops = 0
        """How often it lost one."""
        self.has_opened = asyncio.Event()
        self.news = asyncio.Event()
        """Set with every tick."""
        self._http = http
        self._page = page
        self._turn = number
        self._instance = ""
        self._epoch = ""
        self._seq = 0
        self._pings: dict[int, float] = {}

    async def watch(self) -> Never:
        """Stay connected, for ever."""
        failures, rounds = 0, len(self._page.sockets)
        while True:
            address = self._page.sockets[self._turn % rounds]
            wait = None
            try:
                wait = await self._connected(str(address))
                failures = 0
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                status = getattr(error, "status", None)
                words = f"status {status}" if status else str(error) or "no answer"
                self.reason = f"{address}: {words}"
                failures += 1
            self._turn += 1
            if wait is None:
                ladder = FIRST_WAIT_SECONDS * 2 ** max(0, -(-failures // rounds) - 1)
                wait = min(LONGEST_WAIT_SECONDS, ladder)
            await asyncio.sleep(random.random() * wait)

    async def _connected(self, address: str) -> float | None:
        """One connection until it ends; gives the seconds in which to come back, if it was told."""
        query = {"room": self._page.target.room}
        if self._epoch:
            query |= {"epoch": self._epoch, "after": str(self._seq)}
        async with asyncio.timeout(OPENING_SECONDS):
            socket = await self._http.ws_connect(
                address, params=query, headers={"Origin": self._page.origin}
            )
        async with socket, asyncio.TaskGroup() as group:
            pinging = group.create_task(self._ping(socket))
            try:
                return await self._read(socket)
            finally:
                self.drops += 1
                pinging.cancel()

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> float | None:
        while True:
            try:
                message = await socket.receive(timeout=SILENCE_SECONDS)
            except TimeoutError:
                self.reason = f"nothing heard for {SILENCE_SECONDS:g} s"
                return None
            if message.type is not aiohttp.WSMsgType.TEXT:
                self.reason = f"the connection was closed with {socket.close_code}"
                return None
            frame = json.loads(message.data)
            if frame["type"] == "bye":
                self.reason = str(frame["reason"])
                return float(frame["reconnect_ms"]) / 1000
            self._take(frame, _now())

    async def _ping(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        with suppress(aiohttp.ClientError, OSError):
            sent = 0
            while True:
                sent += 1
                self._pings = {sent: _now()}
                await socket.send_json({"type": "ping", "id": sent})
                usual = BURST_SECONDS if sent < BURST else PING_SECONDS
                await asyncio.sleep(usual if self._is_measuring else SELDOM_SECONDS)

    def _take(self, frame: Mapping[str, Any], at: float) -> None:
        match frame["type"]:
            case "hello":
                self._on_hello(frame)
            case "pong":
                if (sent := self._pings.get(frame["id"])) is not None:
                    self.clocks[self._instance].add(sent, frame["server_time"], at)
            case kind if (seq := frame.get("seq", 0)) > self._seq:
                self._seq = seq
                if kind == "tick":
                    seen = Seen(frame["remaining"], frame["due"], at, self._instance)
                    self.ticks.setdefault(frame["run"], []).append(seen)
                    self.news.set()

    def _on_hello(self, hello: Mapping[str, Any]) -> None:
        self._instance = hello["instance"]
        self.clocks.setdefault(self._instance, ServerClock())
        if hello["epoch"] != self._epoch:
            self._epoch, self._seq = hello["epoch"], 0
        elif not hello["complete"]:  # the stream may have been restored, and end earlier
            self._seq = min(self._seq, hello["seq"])
        if not hello["replayed"]:
            self._seq = max(self._seq, hello["seq"])
        self.has_opened.set()


def _now() -> float:
    return time.monotonic() * 1000
