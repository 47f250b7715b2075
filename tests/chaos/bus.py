"""NATS dies, freezes, or comes back without its memory."""

import asyncio

from .countdowns import LEAD_MS, Harm, Plan, disturb, new_rooms, now, settled, start
from .row import Row, Trial
from .viewers import Viewer, until, watching


async def killed(trial: Trial) -> None:
    down_seconds = trial.random.uniform(0.1, trial.either(5.0, 0.5))

    async def kill_and_restart() -> Harm:
        at = now()
        await trial.stack.nats.kill()
        await asyncio.sleep(down_seconds)
        await trial.stack.start_nats()
        return Harm(at, now())

    plan = Plan(interval_ms=trial.either(700, 200))
    await disturb(trial, plan, kill_and_restart, keeps_sockets=True)


async def frozen(trial: Trial) -> None:
    async def freeze_and_thaw() -> Harm:
        at = now()
        trial.stack.nats.freeze()
        await asyncio.sleep(trial.either(8.0, 1.5))
        trial.stack.nats.thaw()
        return Harm(at, now())

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
        told = await until(lambda: all(_is_told(viewer, epochs) for viewer in viewers), 15.0)
        outcome.demand(told, "a viewer was not told of the new epoch with complete: false")
        outcome.right_again = max(outcome.right_again or 0.0, (now() - at) / 1000)
        await stack.ready()
        name = await start(stack, room, interval_ms=100, starts_at=int(now()) + LEAD_MS)
        await until(lambda: all(name in viewer.finished for viewer in viewers), 10.0)
        facts = await settled(stack, [name])
        outcome.judge_stream(facts, [name])
        outcome.judge_viewers(facts, [name], viewers)
        outcome.demand(not any(viewer.drops for viewer in viewers), "a viewer lost its socket")
    outcome.judge_services(stack)


def _is_told(viewer: Viewer, epochs: set[str]) -> bool:
    hello = viewer.hellos[-1]
    return hello["epoch"] not in epochs and hello["complete"] is False


ROWS = [
    Row(
        "nats-killed",
        "NATS is killed (-9) and restarted after 0.1 to 5 s",
        "11 once; viewers keep their sockets and see the rest; no service ends",
        killed,
        rounds=5,
    ),
    Row(
        "nats-frozen",
        "NATS is frozen (SIGSTOP) for 8 s",
        "the same",
        frozen,
        rounds=2,
    ),
    Row(
        "nats-wiped",
        "NATS's data is wiped while it is down",
        "services go on; viewers are told of the new epoch, `complete: false`; a new run works",
        wiped,
        rounds=3,
        remark="The run that was under way is gone with the stream that held it. What is given as "
        "right again is when the last viewer was told.",
    ),
]
