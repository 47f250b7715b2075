"""The network between a coordinator and NATS is cut, and neither side is notified.

The coordinator reaches the bus at a loopback address of its own, which the kernel translates. Every
packet of these connections is dropped in both directions, without a reset.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from ..as_root import needs_root, run_as_root
from ..countdowns import Fault, Plan, disturb, now
from ..scenario import Scenario, Trial
from ..stack import Stack, running

DETOUR = "127.0.0.77"
TRANSLATE = ["-d", DETOUR, "-p", "tcp", "-j", "DNAT", "--to-destination"]
NOTICED_SECONDS = 10.0


@asynccontextmanager
async def with_a_detour(folder: Path) -> AsyncIterator[Stack]:
    """A stack whose second coordinator has a separate path to the bus, which can be cut."""
    needs_root("iptables", "cutting a network")
    async with running(folder, coordinators=1) as stack:
        rule = [*TRANSLATE, f"127.0.0.1:{stack.bus_port}"]
        await run_as_root("iptables", "-w", "-t", "nat", "-I", "OUTPUT", *rule)
        try:
            async with _dropping():
                pass  # fails early if the kernel can't
            url = f"nats://{DETOUR}:{stack.bus_port}"
            await stack.ready(await stack.add("coordinator-2", NATS_URL=url))
            yield stack
        finally:
            await run_as_root("iptables", "-w", "-t", "nat", "-D", "OUTPUT", *rule)


async def cut(trial: Trial) -> None:
    cut_off = trial.stack.services["coordinator-2"]
    seconds = trial.either(5.0, 3.0)

    async def cut_and_mend() -> Fault:
        at, begun = now(), time.monotonic()
        async with _dropping():
            noticed = await _noticed(trial.stack, begun + seconds)
            await asyncio.sleep(max(0.0, begun + seconds - time.monotonic()))
        fault = Fault(at, now())
        noticed = noticed or await _noticed(trial.stack, time.monotonic() + NOTICED_SECONDS)
        if noticed:
            trial.outcome.worst("noticed after, s", noticed - begun)
        await trial.stack.ready(cut_off)
        return fault

    plan = Plan(interval_ms=trial.either(900, 500))
    await disturb(trial, plan, cut_and_mend, within=0.3, keeps_sockets=True)


async def _noticed(stack: Stack, until: float) -> float | None:
    """When the coordinator reported that it is not ready; None if it did not."""
    while time.monotonic() < until:
        if await stack.why_not_ready(stack.services["coordinator-2"]) is not None:
            return time.monotonic()
        await asyncio.sleep(0.05)
    return None


@asynccontextmanager
async def _dropping() -> AsyncIterator[None]:
    rule = ["-m", "conntrack", "--ctorigdst", DETOUR, "-j", "DROP"]
    await run_as_root("iptables", "-w", "-I", "INPUT", *rule)
    try:
        yield
    finally:
        await run_as_root("iptables", "-w", "-D", "INPUT", *rule)


SCENARIOS = [
    Scenario(
        "network-cut",
        "the network between a coordinator and NATS is cut for 5 s, half-open, no reset",
        "noticed within 10 s; nothing lost for its viewers",
        cut,
        rounds=3,
        setup=with_a_detour,
        remark="The kernel drops every packet between that coordinator and NATS in both directions "
        "(iptables). Its viewers see no number meanwhile, and all of them afterwards.",
    )
]
