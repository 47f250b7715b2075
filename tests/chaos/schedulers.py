"""A scheduler dies, alone or beside another, or sleeps while another works."""

import asyncio
from functools import partial

from .countdowns import Harm, Plan, disturb, now
from .row import Row, Trial
from .stack import running

SETTLED_MS = 50.0
"""How soon after the restart everything missed must be stored."""


async def killed_beside_another(trial: Trial) -> None:
    victim = trial.random.choice(trial.stack.schedulers)

    async def kill() -> Harm:
        at = now()
        await victim.process.kill()
        return Harm(at)

    await disturb(trial, Plan(interval_ms=200), kill)
    await victim.process.start()
    await trial.stack.ready(victim)


async def killed_alone(trial: Trial) -> None:
    [victim] = trial.stack.schedulers
    down_seconds = trial.random.uniform(0.1, trial.either(3.0, 0.5))
    back_at = 0.0

    async def kill_and_restart() -> Harm:
        nonlocal back_at
        at = now()
        await victim.process.kill()
        await asyncio.sleep(down_seconds)
        await victim.process.start()
        await trial.stack.ready(victim)
        back_at = now()
        return Harm(at, back_at)

    facts = await disturb(trial, Plan(interval_ms=trial.either(400, 150)), kill_and_restart)
    for fact in facts:
        if fact.due is None:
            continue
        if fact.due > back_at:
            trial.outcome.worst("ticks due after the restart: late, ms", fact.stored_at - fact.due)
        elif fact.stored_at > back_at:
            trial.outcome.worst("missed ticks stored after ready, ms", fact.stored_at - back_at)


async def frozen_beside_another(trial: Trial) -> None:
    victim = trial.random.choice(trial.stack.schedulers)

    async def freeze_and_thaw() -> Harm:
        at = now()
        victim.process.freeze()
        await asyncio.sleep(trial.either(5.0, 1.0))
        victim.process.thaw()
        return Harm(at, now())

    plan = Plan(interval_ms=trial.either(700, 200))
    await disturb(trial, plan, freeze_and_thaw, within=0.25)


ROWS = [
    Row(
        "scheduler-killed",
        "a scheduler is killed (-9), another runs",
        "11 once, no tick more than 30 ms late",
        killed_beside_another,
        rounds=10,
        late_limit_ms=30,
    ),
    Row(
        "scheduler-alone",
        "the only scheduler is killed (-9) and restarted after 0.1 to 3 s",
        "11 once; missed ticks at once after the restart, the rest on time",
        killed_alone,
        rounds=6,
        setting=partial(running, schedulers=1),
        late_limit_ms=5000,
        remark="A tick is as late as its scheduler was down and took to start.",
    ),
    Row(
        "scheduler-frozen",
        "a scheduler is stopped (SIGSTOP) for 5 s and continued, another runs",
        "11 once, nothing stale from the one that wakes",
        frozen_beside_another,
        rounds=4,
        late_limit_ms=30,
    ),
]
