"""A coordinator with workers: one of them is killed, and all of them are replaced."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from support.ports import free_port
from support.workers import Workers, asking

from ..countdowns import Fault, Plan, disturb, now
from ..scenario import Scenario, Trial
from ..stack import Stack, running

WORKERS = 3
ANSWERED = "HTTP/1.1 200 OK"


@asynccontextmanager
async def sharing(folder: Path) -> AsyncIterator[Stack]:
    """A stack with one coordinator, of several workers."""
    async with running(folder, coordinators=0) as stack:
        metrics_port = f"{free_port()}"
        await stack.add("coordinator-1", WORKERS=f"{WORKERS}", METRICS_PORT=metrics_port)
        await _workers(stack).are_ready(WORKERS)
        yield stack


def _workers(stack: Stack) -> Workers:
    [coordinator] = stack.coordinators
    process = coordinator.process
    return Workers(process, coordinator.port, int(process.env["METRICS_PORT"]))


async def killed(trial: Trial) -> None:
    workers = _workers(trial.stack)

    async def kill() -> Fault:
        victim = trial.random.choice(workers.process.children())
        async with asking(workers.port) as answers:
            at = now()
            os.kill(victim, signal.SIGKILL)
            await workers.is_replaced(victim)
            await workers.are_ready(WORKERS)
        lost = answers.total() - answers[ANSWERED]
        trial.outcome.worst("requests that the killed worker had accepted", lost)
        trial.outcome.least("requests answered meanwhile", answers[ANSWERED])
        return Fault(at)

    plan = Plan(viewers=trial.either(200, 40), interval_ms=trial.either(500, 200))
    await disturb(trial, plan, kill, within=0.7)


async def replaced(trial: Trial) -> None:
    workers, outcome = _workers(trial.stack), trial.outcome
    old = workers.process.children()

    async def replace() -> Fault:
        async with asking(workers.port) as answers:
            at = now()
            workers.process.signal(signal.SIGHUP)
            async with asyncio.TaskGroup() as group:
                for pid in old:
                    group.create_task(workers.is_replaced(pid))
        refused = answers.total() - answers[ANSWERED]
        outcome.require(not refused, f"{refused} new connections were refused: {answers}")
        outcome.least("new connections meanwhile, all answered", answers.total())
        return Fault(at, now())

    plan = Plan(viewers=trial.either(200, 40), interval_ms=trial.either(1000, 500))
    await disturb(trial, plan, replace, within=0.1, byes=1)
    outcome.require(len(workers.process.children()) == WORKERS, "there are not as many workers")


SCENARIOS = [
    Scenario(
        "worker-killed",
        "one of 3 workers of the only coordinator is killed (-9), with 200 viewers on all of them",
        "every viewer has 11 ticks once; new connections are answered by the others",
        killed,
        rounds=5,
        setup=sharing,
    ),
    Scenario(
        "workers-replaced",
        "the 3 workers of the only coordinator are replaced (SIGHUP), with 200 viewers",
        "11 ticks once and one `bye` at every viewer; no new connection is refused",
        replaced,
        rounds=3,
        setup=sharing,
        late_limit_ms=100,
    ),
]
