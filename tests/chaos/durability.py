"""Everything is killed at once: what was acknowledged is there afterwards."""

import asyncio
import itertools
from contextlib import suppress

import nats.errors

from bus.stream import KEPT_ENTRIES

from .countdowns import Harm, Plan, disturb, new_rooms, now
from .row import Row, Trial
from .stack import Stack


async def all_at_once(trial: Trial) -> None:
    """The viewers saw what was acknowledged; `disturb` looks for it in the stream."""
    stack, outcome = trial.stack, trial.outcome
    acknowledged: dict[int, bytes] = {}

    async def pull_the_plug() -> Harm:
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
        return Harm(at, now())

    await disturb(trial, Plan(interval_ms=trial.either(600, 300)), pull_the_plug, within=0.6)
    async with stack.client() as client:
        jetstream = client.jetstream()
        # Of one subject the stream keeps no more; one may be stored whose acknowledgement was lost.
        for seq, payload in list(acknowledged.items())[1 - KEPT_ENTRIES :]:
            entry = await jetstream.get_msg("COUNTDOWN", seq, direct=True)
            outcome.demand(entry.data == payload, f"entry {seq} was acknowledged and is not there")
    outcome.least("acknowledged messages looked for", len(acknowledged))


async def _publish(stack: Stack, trial: Trial, acknowledged: dict[int, bytes]) -> None:
    """Publish messages, each as soon as the one before is acknowledged, to the last moment."""
    [room] = new_rooms(trial)
    async with stack.client() as client:
        jetstream = client.jetstream()
        with suppress(nats.errors.Error, OSError):
            for number in itertools.count():
                payload = f"message {number}".encode()
                ack = await jetstream.publish(f"countdown.{room}.message", payload, timeout=2.0)
                acknowledged[ack.seq] = payload


ROWS = [
    Row(
        "power-cord",
        "everything is killed (-9) at once and started again",
        "11 once; every event and message that was acknowledged is in the stream",
        all_at_once,
        rounds=3,
        remark="Viewers come back when their own wait is over, which doubles with every try that "
        "fails, as on the page.",
    )
]
