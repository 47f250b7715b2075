"""NATS is killed, frozen, or restarted without its data."""

import asyncio

from ..countdowns import LEAD_MS, Fault, Plan, disturb, new_rooms, now, settled, start
from ..scenario import Scenario, Trial
from ..viewers import Viewer, until, watching


async def killed(trial: Trial) -> None:
    down_seconds = trial.random.uniform(0.1, trial.either(5.0, 0.5))

    async def kill_and_restart() -> Fault:
        at = now()
        await trial.stack.nats.kill()
        await asyncio.sleep(down_seconds)
        await trial.stack.start_nats()
        return Fault(at, now())

    plan = Plan(interval_ms=trial.either(700, 200))
    await disturb(trial, plan, kill_and_restart, keeps_sockets=True)


async def frozen(trial: Trial) -> None:
    async def freeze_and_thaw() -> Fault:
        at = now()
        trial.stack.nats.freeze()
        await asyncio.sleep(trial.either(8.0, 1.5))
        trial.stack.nats.thaw()
        return Fault(at, now())

    plan = Plan(interval_ms=trial.either(1000, 250))
    await disturb(trial, plan, freeze_and_thaw, keeps_sockets=True)


async def wiped(trial: Trial) -> None:
    stack, outcome = trial.stack, trial.outcome
    [room] = new_rooms(trial)
    async with watching(stack, [room], 8, trial.random) as viewers:
        await start(stack, room, interval_ms=200)
        await asyncio.sleep(trial.random.uniform(0.1, 1.5))
        epochs = {viewer.epoch for viewer in viewers}
        at = now()
        await stack.nats.kill()
        await stack.wipe()
        await asyncio.sleep(trial.random.uniform(0.1, trial.either(2.0, 0.3)))
        await stack.start_nats()
        is_reset = await until(lambda: all(_is_reset(viewer, epochs) for viewer in viewers), 15.0)
        outcome.require(is_reset, "a viewer did not get the new epoch with complete: false")
        outcome.recovery_seconds = max(outcome.recovery_seconds or 0.0, (now() - at) / 1000)
        await stack.ready()
        name = await start(stack, room, interval_ms=100, starts_at=int(now()) + LEAD_MS)
        await until(lambda: all(name in viewer.finished for viewer in viewers), 10.0)
        events = await settled(stack, [name])
        outcome.check_stream(events, [name])
        outcome.check_viewers(events, [name], viewers)
        outcome.require(not any(viewer.drops for viewer in viewers), "a viewer lost its socket")
    outcome.check_services(stack)


def _is_reset(viewer: Viewer, epochs: set[str]) -> bool:
    hello = viewer.hellos[-1]
    return hello["epoch"] not in epochs and hello["complete"] is False


SCENARIOS = [
    Scenario(
        "nats-killed",
        "NATS is killed (-9) and restarted after 0.1 to 5 s",
        "11 ticks once; viewers keep their sockets; no service ends",
        killed,
        rounds=5,
    ),
    Scenario(
        "nats-frozen",
        "NATS is frozen (SIGSTOP) for 8 s",
        "11 ticks once; viewers keep their sockets; no service ends",
        frozen,
        rounds=2,
    ),
    Scenario(
        "nats-wiped",
        "NATS's data is wiped while it is down",
        "services go on; viewers get the new epoch and `complete: false`; a new run works",
        wiped,
        rounds=3,
        remark="The running countdown is lost with the stream. Recovered is when the last viewer "
        "got the new epoch.",
    ),
]
