"""One of three NATS servers is cut off from the others, with services and their viewers on it."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from support.routes import Routes

from .. import history
from ..countdowns import Fault, now
from ..racing import disturb_with_races
from ..scenario import Scenario, Trial
from ..stack import Stack, running
from .cluster import SERVERS, in_step

VICTIM = "nats-1"
ON_VICTIM = ("scheduler-1", "coordinator-1")
"""The services that are connected to the server that is cut off."""
SAID_SECONDS = 8.0
MOVED_SECONDS = 15.0
LEADING_SECONDS = 60.0
IN_STEP_SECONDS = 60.0


@asynccontextmanager
async def with_a_network(folder: Path) -> AsyncIterator[Stack]:
    """Three servers; two services are connected to the first, and two to the others."""
    network = Routes([f"nats-{number}" for number in range(1, SERVERS + 1)])
    env = {"STREAM_REPLICAS": str(SERVERS)}
    async with running(
        folder, bus=SERVERS, schedulers=0, coordinators=0, network=network, env=env
    ) as stack:
        first, *others = stack.bus_urls
        for kind in ("scheduler", "coordinator"):
            await stack.add(f"{kind}-1", NATS_URL=first)
            await stack.add(f"{kind}-2", NATS_URL=",".join(others))
        await stack.ready()
        yield stack


async def both_ways(trial: Trial) -> None:
    def cut(network: Routes, server: str) -> None:
        network.cut_from(server)
        network.cut_to(server)

    await _partition(trial, cut)


async def one_way(trial: Trial) -> None:
    """What the server sends is dropped, or what is sent to it."""
    await _partition(trial, trial.random.choice([Routes.cut_from, Routes.cut_to]))


async def _partition(trial: Trial, cut: Callable[[Routes, str], None]) -> None:
    """Cut a server off, the stream's leader or another; its services have to move."""
    stack, outcome = trial.stack, trial.outcome
    await _return(stack)
    await _lead(trial, trial.random.choice([VICTIM, "nats-2"]))

    async def moves(name: str, begun: float) -> tuple[float, float]:
        """After how many seconds the service says that it is cut off, and has moved."""
        is_said = await _until(stack, name, is_ready=False, by=begun + SAID_SECONDS)
        outcome.require(is_said, f"{name} stayed ready on a server that is cut off")
        said = time.monotonic() - begun
        is_moved = await _until(stack, name, is_ready=True, by=begun + MOVED_SECONDS)
        outcome.require(is_moved, f"{name} did not move to a server that is not cut off")
        return said, time.monotonic() - begun

    async def cut_and_mend() -> Fault:
        at, begun = now(), time.monotonic()
        cut(stack.network, VICTIM)
        try:
            said, moved = zip(
                *await asyncio.gather(*(moves(name, begun) for name in ON_VICTIM)), strict=True
            )
            outcome.worst("services there say so after, s", max(said))
            outcome.worst("and have moved after, s", max(moved))
            await asyncio.sleep(trial.either(5.0, 0.0))
        finally:
            stack.network.mend()
        return Fault(at, now())

    await disturb_with_races(trial, cut_and_mend)


async def _until(stack: Stack, name: str, *, is_ready: bool, by: float) -> bool:
    """Wait until the service is ready, or is not; false if that takes too long."""
    while (await stack.why_not_ready(stack.services[name]) is None) != is_ready:
        if time.monotonic() > by:
            return False
        await asyncio.sleep(0.05)
    return True


async def _return(stack: Stack) -> None:
    """Restart the services that moved in the round before."""
    for name in ON_VICTIM:
        await stack.services[name].process.stop()
        await stack.services[name].process.start()
    await stack.ready()


async def _lead(trial: Trial, name: str) -> None:
    """Make this server the stream's leader."""
    request = json.dumps({"placement": {"preferred": name}}).encode()
    deadline = time.monotonic() + LEADING_SECONDS
    # A server that was cut off in the round before may catch up only after half a minute.
    while (await in_step(trial, IN_STEP_SECONDS)).name != name:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{name} does not become the leader")
        async with trial.stack.client(history.READER) as client:
            await client.request("$JS.API.STREAM.LEADER.STEPDOWN.COUNTDOWN", request, timeout=5.0)


REMARK = (
    "The servers reach one another through relays of the test's own, which stop. Two services are "
    "on the server that is cut off, which is the stream's leader in some rounds; two are not."
)
SCENARIOS = [
    Scenario(
        "partition-both-ways",
        "one of three NATS servers is cut off from the others, while starts and cancels race",
        "11 ticks once, or up to a cancel; every reply true; services on that server say so and "
        "move; viewers keep their sockets, and all of a room get the same",
        both_ways,
        rounds=4,
        setup=with_a_network,
        remark=REMARK,
    ),
    Scenario(
        "partition-one-way",
        "the same in one direction: what the server sends is lost, or what is sent to it",
        "the same",
        one_way,
        rounds=4,
        setup=with_a_network,
    ),
]
