"""Everything is killed at once: all that was acknowledged survives."""

import asyncio
import itertools
from contextlib import suppress

import nats.errors

from bus.stream import KEPT_ENTRIES

from ..countdowns import Fault, Plan, disturb, new_rooms, now
from ..scenario import Scenario, Trial
from ..stack import Stack


async def all_at_once(trial: Trial) -> None:
    """`disturb` checks the acknowledged events; the messages are checked here."""
    stack, outcome = trial.stack, trial.outcome
    acknowledged: dict[int, bytes] = {}

    async def pull_the_plug() -> Fault:
        publishing = asyncio.create_task(_publish(stack, trial, acknowledged))
        await asyncio.sleep(trial.random.uniform(0.02, 0.4))
        at = now()
        processes = [stack.nats, *(service.process for service in stack.services.values())]
        await asyncio.gather(*(process.kill() for process in processes))
        publishing.cancel()
        await asyncio.wait([publishing])
        await asyncio.sleep(trial.either(0.5, 0.1))
        await stack.start_nats()
        for service in stack.services.values():
            await service.process.start()
        await stack.ready()
        return Fault(at, now())

    await disturb(trial, Plan(interval_ms=trial.either(600, 300)), pull_the_plug, within=0.6)
    async with stack.client("operator") as client:
        jetstream = client.jetstream()
        # The stream keeps no more of one subject; one may be stored without its acknowledgement.
        for seq, payload in list(acknowledged.items())[1 - KEPT_ENTRIES :]:
            entry = await jetstream.get_msg("COUNTDOWN", seq, direct=True)
            outcome.require(entry.data == payload, f"entry {seq} was acknowledged and is missing")
    outcome.least("acknowledged messages checked", len(acknowledged))


async def _publish(stack: Stack, trial: Trial, acknowledged: dict[int, bytes]) -> None:
    """Publish messages, each as soon as the previous one is acknowledged, until cancelled."""
    [room] = new_rooms(trial)
    async with stack.client() as client:
        jetstream = client.jetstream()
        with suppress(nats.errors.Error, OSError):
            for number in itertools.count():
                payload = f"message {number}".encode()
                ack = await jetstream.publish(f"countdown.{room}.message", payload, timeout=2.0)
                acknowledged[ack.seq] = payload


SCENARIOS = [
    Scenario(
        "power-cord",
        "everything is killed (-9) at once and restarted",
        "11 ticks once; every acknowledged event and message is in the stream",
        all_at_once,
        rounds=3,
        remark="Viewers reconnect after a wait that doubles with every failed attempt, as in the "
        "page.",
    )
]
