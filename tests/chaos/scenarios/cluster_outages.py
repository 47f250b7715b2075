"""One of three NATS servers is frozen, or each is restarted in turn, while commands race."""

import asyncio

from ..countdowns import Fault, now
from ..racing import disturb_with_races
from ..scenario import Scenario, Trial
from .cluster import THREE_SERVERS, in_step

ELECTION_SECONDS = 9.0
"""The longest that a server waits for a leader before it stands for election."""


async def leader_frozen(trial: Trial) -> None:
    leader = await in_step(trial)

    async def freeze_and_thaw() -> Fault:
        at = now()
        leader.freeze()
        await asyncio.sleep(ELECTION_SECONDS + trial.either(3.0, 0.0))
        leader.thaw()
        return Fault(at, now())

    await disturb_with_races(trial, freeze_and_thaw)
    await in_step(trial)


async def rolling_restart(trial: Trial) -> None:
    stack = trial.stack
    await in_step(trial)

    async def restart_each() -> Fault:
        at = now()
        for server in stack.servers:
            await server.stop()
            await server.start()
            await in_step(trial)
        return Fault(at, now())

    await disturb_with_races(trial, restart_each)


EXPECTED = (
    "11 ticks once, or up to a cancel; every reply true; viewers keep their sockets, and all of a "
    "room get the same"
)
SCENARIOS = [
    Scenario(
        "leader-frozen",
        "the stream's leader, one of three NATS servers, is frozen (SIGSTOP) for 12 s, longer than "
        "an election, while starts and cancels race",
        EXPECTED,
        leader_frozen,
        rounds=3,
        setup=THREE_SERVERS,
    ),
    Scenario(
        "rolling-restart",
        "each of three NATS servers in turn is stopped and started, and the next once all have the "
        "whole stream again, while starts and cancels race",
        EXPECTED,
        rolling_restart,
        rounds=3,
        setup=THREE_SERVERS,
    ),
]
