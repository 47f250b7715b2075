"""A coordinator is killed with its viewers, and every service is restarted in turn."""

from functools import partial

from ..countdowns import Fault, Plan, disturb, now
from ..scenario import Scenario, Trial
from ..stack import running


async def killed(trial: Trial) -> None:
    victim = trial.random.choice(trial.stack.coordinators)

    async def kill() -> Fault:
        at = now()
        await victim.process.kill()
        return Fault(at)

    plan = Plan(viewers=trial.either(200, 40), interval_ms=trial.either(500, 200))
    await disturb(trial, plan, kill, within=0.7)
    await victim.process.start()
    await trial.stack.ready(victim)


async def rolling(trial: Trial) -> None:
    async def replace_each() -> Fault:
        at = now()
        for name, service in trial.stack.services.items():
            status = await service.process.stop()
            trial.outcome.require(status == 0, f"{name} ended with status {status}")
            await service.process.start()
            await trial.stack.ready(service)
        return Fault(at, now())

    plan = Plan(viewers=trial.either(100, 20), interval_ms=trial.either(1000, 300))
    await disturb(trial, plan, replace_each, within=0.1)


SCENARIOS = [
    Scenario(
        "coordinator-killed",
        "a coordinator is killed (-9) with 200 viewers, another one runs",
        "every viewer has 11 ticks once after reconnecting",
        killed,
        rounds=5,
        remark="The viewers know both addresses and wait as long as the page does: a random part "
        "of half a second.",
    ),
    Scenario(
        "rolling",
        "every service is restarted (SIGTERM) in turn, with viewers connected",
        "11 ticks once at every viewer; every service ends with status 0",
        rolling,
        rounds=2,
        setup=partial(running, frontends=1),
        late_limit_ms=100,
    ),
]
