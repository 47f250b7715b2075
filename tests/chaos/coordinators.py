"""A coordinator dies under its viewers, and every service is replaced under them."""

from functools import partial

from .countdowns import Harm, Plan, disturb, now
from .row import Row, Trial
from .stack import running


async def killed(trial: Trial) -> None:
    victim = trial.random.choice(trial.stack.coordinators)

    async def kill() -> Harm:
        at = now()
        await victim.process.kill()
        return Harm(at)

    plan = Plan(viewers=trial.either(200, 40), interval_ms=trial.either(500, 200))
    await disturb(trial, plan, kill, within=0.7)
    await victim.process.start()
    await trial.stack.ready(victim)


async def rolling(trial: Trial) -> None:
    async def replace_each() -> Harm:
        at = now()
        for name, service in trial.stack.services.items():
            status = await service.process.stop()
            trial.outcome.demand(status == 0, f"{name} ended with status {status}")
            await service.process.start()
            await trial.stack.ready(service)
        return Harm(at, now())

    plan = Plan(viewers=trial.either(100, 20), interval_ms=trial.either(1000, 300))
    await disturb(trial, plan, replace_each, within=0.1)


ROWS = [
    Row(
        "coordinator-killed",
        "a coordinator is killed (-9) with 200 viewers, another is there for them",
        "every viewer has 11 once after reconnecting",
        killed,
        rounds=5,
        remark="The viewers know both addresses and wait as long as the page does: a random part "
        "of half a second.",
    ),
    Row(
        "rolling",
        "every service is restarted (SIGTERM), one after another, viewers connected",
        "11 once for every viewer; every service ends with status 0",
        rolling,
        rounds=2,
        setting=partial(running, frontends=1),
        late_limit_ms=100,
    ),
]
