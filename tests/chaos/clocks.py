"""A scheduler whose clock is wrong works beside one whose clock is right."""

import sys
from functools import partial
from pathlib import Path

from .countdowns import Harm, Plan, disturb, now
from .row import Row, Trial
from .stack import running

SKEW_SECONDS = 0.3
LAUNCHER = Path(__file__).parent / "skewed.py"


async def skewed(trial: Trial) -> None:
    skew = SKEW_SECONDS if trial.outcome.rounds % 2 else -SKEW_SECONDS
    command = [sys.executable, str(LAUNCHER), str(skew), "scheduler"]
    wrong = await trial.stack.add("scheduler-2", command=command)
    await trial.stack.ready(wrong)

    async def nothing() -> Harm:
        return Harm(now())

    await disturb(trial, Plan(interval_ms=trial.either(300, 150)), nothing)
    trial.outcome.demand(await wrong.process.stop() == 0, "the skewed scheduler ended badly")
    early = trial.outcome.figures.get("tick early, ms", 0.0)
    trial.outcome.demand(
        early <= SKEW_SECONDS * 1000 + 1, f"a tick {early:.0f} ms early: more than the skew"
    )


ROWS = [
    Row(
        "clock",
        "a scheduler's clock is 300 ms ahead or behind, another's is right",
        "11 once, in order; no tick earlier than its due time by more than the skew",
        skewed,
        rounds=6,
        setting=partial(running, schedulers=1),
        late_limit_ms=30,
    )
]
