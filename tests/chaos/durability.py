"""Everything is killed at once: what was acknowledged is there afterwards."""

import asyncio

from .countdowns import Harm, Plan, disturb, new_rooms, now
from .row import Row, Trial
from .stack import Stack


async def all_at_once(trial: Trial) -> None:
    """The viewers saw what was acknowledged; `disturb` looks for it in the stream."""
    stack, outcome = trial.stack, trial.outcome
    acknowledged: dict[int, bytes] = {}

    async def pull_the_plug() -> Harm:
        at = now()
        acknowledged.update(await _acknowledged_until(stack, trial))
        processes = [stack.nats, *(service.process for service in stack.services.values())]
        await asyncio.gather(*(process.kill() for process in processes))
        await asyncio.sleep(trial.either(0.5, 0.1))
        await stack.start_nats()
        for service in stack.services.values():
            await service.process.start()
        await stack.ready()
        return Harm(at, now())

    await disturb(trial, Plan(interval_ms=trial.either(600, 300)), pull_the_plug, within=0.6)
    async with stack.client() as client:
        jetstream = client.jetstream()
        for seq, payload in acknowledged.items():
            entry = await jetstream.get_msg("COUNTDOWN", seq, direct=True)
            outcome.demand(entry.data == payload, f"entry {seq} was acknowledged and is not there")
    outcome.least("acknowledged messages looked for", len(acknowledged))


async def _acknowledged_until(stack: Stack, trial: Trial) -> dict[int, bytes]:
    """Publish messages as fast as they are acknowledged, up to the last moment."""
    [room] = new_rooms(trial)
    stored: dict[int, bytes] = {}
    async with stack.client() as client:
        jetstream = client.jetstream()
        for number in range(trial.random.randrange(20, 200)):
            payload = f"message {number}".encode()
            ack = await jetstream.publish(f"countdown.{room}.message", payload)
            stored[ack.seq] = payload
    return stored


ROWS = [
    Row(
        "power-cord",
        "everything is killed (-9) at once and started again",
        "11 once; every event and message that was acknowledged is in the stream",
        all_at_once,
        rounds=3,
    )
]
