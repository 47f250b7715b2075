"""A scheduler that is told to stop answers all that had come to it, and truly."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from harness import NatsServer, free_port, until

ROOMS = 400
STOP_AFTER = 20
"""Answers after which one of the two schedulers is told to stop."""


class Scheduler:
    """A scheduler as a process."""

    def __init__(self, nats_url: str, instance: str, log: Path) -> None:
        self.log = log
        self.port = free_port()
        settings = {"NATS_URL": nats_url, "PORT": f"{self.port}", "INSTANCE": instance}
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "scheduler"],
                env=os.environ | settings,
                stdout=file,
                stderr=subprocess.STDOUT,
            )

    async def is_ready(self) -> bool:
        try:
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"http://127.0.0.1:{self.port}/readyz") as answer,
            ):
                return answer.status == 200
        except aiohttp.ClientConnectionError:
            return False


@pytest.fixture
def schedulers(nats_server: NatsServer, tmp_path: Path) -> Iterator[list[Scheduler]]:
    """Two schedulers."""
    with ExitStack() as leaving:
        pair = []
        for instance in ("scheduler-1", "scheduler-2"):
            scheduler = Scheduler(nats_server.url, instance, tmp_path / f"{instance}.log")
            leaving.callback(scheduler.process.wait, 10)
            leaving.callback(scheduler.process.terminate)
            pair.append(scheduler)
        yield pair


class Callers:
    """Who asks for a start in each of many rooms, and what they are answered."""

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
async def test_starts_that_come_while_a_scheduler_stops_are_all_answered_and_truly(
    bus: Client, schedulers: list[Scheduler], times: int
) -> None:
    for scheduler in schedulers:
        await until(scheduler.is_ready)
    callers = Callers(bus)
    await callers.ask(times)
    await callers.answered(STOP_AFTER)
    schedulers[0].process.terminate()
    await callers.answered(ROOMS * times)
    assert await asyncio.to_thread(schedulers[0].process.wait, 10) == 0

    codes = Counter(code for _, code, _ in callers.answers)
    assert codes == Counter({200: ROOMS} | ({409: ROOMS} if times == 2 else {}))
    for room, _, event in callers.answers:
        last = await bus.jetstream().get_last_msg("COUNTDOWN", f"countdown.{room}.events")
        assert event == json.loads(last.data or b"")
    log = schedulers[0].log.read_text()
    assert "Traceback" not in log
    assert "never awaited" not in log
