"""A container of the Compose stack is killed, and Docker restarts it."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from compose import stack as compose

from ..countdowns import Fault, Plan, disturb, now
from ..outcome import CannotRunError
from ..scenario import Scenario, Trial
from ..stack import Stack

AGAIN_SECONDS = 60.0


@dataclass
class Containers(Stack):
    """The Compose stack as viewers and the history's reader connect to it: one edge, one bus."""

    project: compose.Stack | None = None

    @property
    def bus_urls(self) -> list[str]:
        assert self.project is not None
        return [f"nats://127.0.0.1:{self.project.bus_port}"]

    @property
    def addresses(self) -> list[str]:
        assert self.project is not None
        return [f"{self.project.origin}/api"]


@asynccontextmanager
async def up(folder: Path) -> AsyncIterator[Stack]:
    """A Compose stack, removed afterwards with its volume and its images."""
    if os.geteuid():
        raise CannotRunError("killing the process of a container requires root")
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as leaving:
        try:
            project = await asyncio.to_thread(leaving.enter_context, compose.running())
        except pytest.skip.Exception as reason:
            raise CannotRunError(str(reason)) from None
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
            yield Containers(folder, http, servers=(), project=project)


async def killed(trial: Trial) -> None:
    """One kind of container a round."""
    stack, outcome = trial.stack, trial.outcome
    assert isinstance(stack, Containers)
    assert stack.project is not None
    kind = ("scheduler", "coordinator", "nats")[outcome.rounds % 3]
    container = trial.random.choice(await asyncio.to_thread(stack.project.containers, kind))

    async def kill() -> Fault:
        pid = await _inspect(container, "{{.State.Pid}}")
        at = now()
        os.kill(int(pid), signal.SIGKILL)
        return Fault(at)

    plan = Plan(viewers=40, interval_ms=500)
    await disturb(trial, plan, kill, within=0.7, keeps_sockets=kind != "coordinator")
    outcome.worst(f"recovered after the {kind} was killed, s", outcome.last_recovery_seconds)
    begun = time.monotonic()
    while await _inspect(container, "{{.State.Health.Status}}") != "healthy":
        if time.monotonic() - begun > AGAIN_SECONDS:
            outcome.violations.append(f"Docker did not restart the {kind}")
            break
        await asyncio.sleep(0.2)
    restarts = await _inspect(container, "{{.RestartCount}}")
    outcome.require(int(restarts) >= 1, f"the {kind}'s container was not restarted")


async def _inspect(container: str, what: str) -> str:
    command = ["docker", "inspect", "--format", what, container]
    return (await asyncio.to_thread(compose.run, command)).strip()


SCENARIO = Scenario(
    "containers",
    "in the Compose stack, through the edge: the containers of a scheduler, a coordinator and "
    "NATS are killed (-9) in turn",
    "11 ticks once at every viewer; Docker restarts it",
    killed,
    rounds=3,
    setup=up,
)
