"""A scheduler is killed, alone or beside another, or frozen while another works."""

import asyncio
from functools import partial

from ..countdowns import Fault, Plan, disturb, now
from ..scenario import Scenario, Trial
from ..stack import running

SETTLED_MS = 50.0
"""How soon after the restart all missed ticks must be stored."""


async def killed_beside_another(trial: Trial) -> None:
    victim = trial.random.choice(trial.stack.schedulers)

    async def kill() -> Fault:
        at = now()
        await victim.process.kill()
        return Fault(at)

    await disturb(trial, Plan(interval_ms=200), kill)
    await victim.process.start()
    await trial.stack.ready(victim)


async def killed_alone(trial: Trial) -> None:
    [victim] = trial.stack.schedulers
    down_seconds = trial.random.uniform(0.1, trial.either(3.0, 0.5))
    back_at = 0.0

    async def kill_and_restart() -> Fault:
        nonlocal back_at
        at = now()
        await victim.process.kill()
        await asyncio.sleep(down_seconds)
        await victim.process.start()
        await trial.stack.ready(victim)
        back_at = now()
        return Fault(at, back_at)

    events = await disturb(trial, Plan(interval_ms=trial.either(400, 150)), kill_and_restart)
    for event in events:
        if event.due is None:
            continue
        if event.due > back_at:
            trial.outcome.worst(
                "ticks due after the restart: late, ms", event.stored_at - event.due
            )
        elif event.stored_at > back_at:
            trial.outcome.worst("missed ticks stored after ready, ms", event.stored_at - back_at)


async def frozen_beside_another(trial: Trial) -> None:
    victim = trial.random.choice(trial.stack.schedulers)

    async def freeze_and_thaw() -> Fault:
        at = now()
        victim.process.freeze()
        await asyncio.sleep(trial.either(5.0, 1.0))
        victim.process.thaw()
        return Fault(at, now())

    plan = Plan(interval_ms=trial.either(700, 200))
    await disturb(trial, plan, freeze_and_thaw, within=0.25)


SCENARIOS = [
    Scenario(
        "scheduler-killed",
        "a scheduler is killed (-9), another runs",
        "11 ticks once, none more than 30 ms late",
        killed_beside_another,
        rounds=10,
        late_limit_ms=30,
    ),
    Scenario(
        "scheduler-alone",
        "the only scheduler is killed (-9) and restarted after 0.1 to 3 s",
        "11 ticks once; the missed ones right after the restart, the rest on time",
        killed_alone,
        rounds=6,
        setup=partial(running, schedulers=1),
        late_limit_ms=5000,
        remark="A tick is late by the time that its scheduler was down and took to start.",
    ),
    Scenario(
        "scheduler-frozen",
        "a scheduler is frozen (SIGSTOP) for 5 s, another runs",
        "11 ticks once, nothing stale from the one that continues",
        frozen_beside_another,
        rounds=4,
        late_limit_ms=30,
    ),
]
