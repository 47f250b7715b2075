"""A scheduler that is stopped answers every request that had reached it, and correctly."""

import asyncio
import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Never

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from bus.connection import Bus
from runtime.background import background
from scheduler import relay
from scheduler.relay import Relay
from support.nats_server import NatsServer
from support.ports import free_port
from support.probe import asked
from support.process import AsyncProcess
from support.waiting import until

ROOMS = 400
STOP_AFTER = 20
"""Answers after which one of the two schedulers is stopped."""


class Scheduler(AsyncProcess):
    """A scheduler as a process."""

    def __init__(self, nats_url: str, instance: str, folder: Path) -> None:
        self.port = free_port()
        settings = {"NATS_URL": nats_url, "PORT": f"{self.port}", "INSTANCE": instance}
        command = [sys.executable, "-m", "scheduler"]
        super().__init__(instance, command, os.environ | settings, folder)

    async def is_ready(self) -> bool:
        return (await asked(self.port))[0] == 200


@pytest.fixture
async def schedulers(nats_server: NatsServer, tmp_path: Path) -> AsyncIterator[list[Scheduler]]:
    """Two schedulers."""
    async with AsyncExitStack() as leaving:
        pair = []
        for instance in ("scheduler-1", "scheduler-2"):
            scheduler = Scheduler(nats_server.url, instance, tmp_path)
            leaving.push_async_callback(scheduler.stop)
            await scheduler.start()
            pair.append(scheduler)
        yield pair


class Callers:
    """Clients that ask for a start in each of many rooms, and the answers that they got."""

    def __init__(self, bus: Client) -> None:
        self._bus = bus
        self.answers: list[tuple[str, int, Any]] = []
        """Room, code (200 where it is no error) and the reply's JSON."""

    async def ask(self, times: int) -> None:
        """Ask for a start in every room, all at once."""
        inbox = self._bus.new_inbox()
        await self._bus.subscribe(f"{inbox}.*", cb=self._hear)
        later = int(time.time() * 1000) + 3_600_000
        for number in range(ROOMS):
            room = f"room-{number}"
            request = json.dumps({"room": room, "starts_at": later}).encode()
            for _ in range(times):
                await self._bus.publish("scheduler.start", request, reply=f"{inbox}.{room}")

    async def _hear(self, message: Msg) -> None:
        room = message.subject.rpartition(".")[2]
        code = int((message.headers or {}).get("Nats-Service-Error-Code", "200"))
        event = json.loads(message.data) if message.data else None
        self.answers.append((room, code, event))

    async def answered(self, count: int) -> None:
        async def are_so_many() -> bool:
            return len(self.answers) >= count

        await until(are_so_many)


@pytest.mark.parametrize("times", [1, 2])
async def test_starts_that_arrive_while_a_scheduler_stops_are_all_answered_correctly(
    bus: Client, schedulers: list[Scheduler], times: int
) -> None:
    for scheduler in schedulers:
        await until(scheduler.is_ready)
    callers = Callers(bus)
    await callers.ask(times)
    await callers.answered(STOP_AFTER)
    schedulers[0].end_by(signal.SIGTERM)
    await callers.answered(ROOMS * times)
    assert await schedulers[0].ended(10) == 0

    codes = Counter(code for _, code, _ in callers.answers)
    assert codes == Counter({200: ROOMS} | ({409: ROOMS} if times == 2 else {}))
    for room, _, event in callers.answers:
        last = await bus.jetstream().get_last_msg("COUNTDOWN", f"countdown.{room}.events")
        assert event == json.loads(last.data or b"")
    log = schedulers[0].log()
    assert "Traceback" not in log
    assert "never awaited" not in log


async def test_a_relay_ends_though_the_stream_acknowledges_nothing_and_people_write(
    connection: Bus, bus: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "LAST_SECONDS", 0.2)
    monkeypatch.setattr(connection, "request", hang)

    async def write() -> Never:
        while True:
            await bus.publish("people.main.message", b"!")
            await asyncio.sleep(0.01)

    async with background(write()):
        relaying = asyncio.create_task(Relay(connection).run(connection.connected))
        await asyncio.sleep(0.5)
        relaying.cancel()
        await asyncio.wait([relaying], timeout=5)
        assert relaying.cancelled()


async def hang(*_: object) -> Never:
    await asyncio.sleep(3600)
    raise AssertionError
