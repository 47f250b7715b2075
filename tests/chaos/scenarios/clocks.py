"""A scheduler with a wrong clock runs beside one with a right clock."""

import sys
from functools import partial
from pathlib import Path

from ..countdowns import Fault, Plan, disturb, now
from ..scenario import Scenario, Trial
from ..stack import running

SKEW_SECONDS = 0.3
LAUNCHER = Path(__file__).parent.parent / "skewed.py"


async def skewed(trial: Trial) -> None:
    skew = SKEW_SECONDS if trial.outcome.rounds % 2 else -SKEW_SECONDS
    command = [sys.executable, str(LAUNCHER), str(skew), "scheduler"]
    wrong = await trial.stack.add("scheduler-2", command=command)
    await trial.stack.ready(wrong)

    async def no_fault() -> Fault:
        return Fault(now())

    await disturb(trial, Plan(interval_ms=trial.either(300, 150)), no_fault)
    trial.outcome.require(
        await wrong.process.stop() == 0, "the skewed scheduler ended with an error"
    )
    early = trial.outcome.figures.get("tick early, ms", 0.0)
    trial.outcome.require(
        early <= SKEW_SECONDS * 1000 + 1, f"a tick {early:.0f} ms early: more than the skew"
    )


SCENARIOS = [
    Scenario(
        "clock",
        "a scheduler's clock is 300 ms ahead or behind, another's is right",
        "11 ticks once, in order; none earlier than its due time by more than the skew",
        skewed,
        rounds=6,
        setup=partial(running, schedulers=1, skew_ms=SKEW_SECONDS * 1000 + 1),
        late_limit_ms=30,
    )
]
