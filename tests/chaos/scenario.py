"""A scenario: a fault or a load, what is expected meanwhile, and the code that tries it."""

import math
import traceback
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TypeVar

from .auditing import check_audit
from .outcome import CannotRunError, Outcome
from .stack import Stack, running
from .stalls import measured

T = TypeVar("T")


@dataclass
class Trial:
    """One round of a scenario: the stack, the random generator, and where to note the outcome."""

    stack: Stack
    random: Random
    outcome: Outcome
    is_short: bool

    def either(self, usual: T, short: T) -> T:
        """`usual` in the long run of `make chaos`, `short` in `make test`."""
        return short if self.is_short else usual


@dataclass(frozen=True)
class Scenario:
    """One way to disturb the system; `name` selects it on the command line."""

    name: str
    description: str
    expected: str
    run: Callable[[Trial], Awaitable[None]]
    rounds: int
    setup: Callable[[Path], AbstractAsyncContextManager[Stack]] = running
    late_limit_ms: float = math.inf
    """The longest allowed delay of a tick; a busy machine may exceed it, so it is reported only."""
    recovery_limit_seconds: float = math.inf
    """The same for the last late number at a viewer."""
    is_on_request: bool = False
    """Run only if asked for; otherwise the page keeps its previous result."""
    remark: str = ""
    """What a reader needs to know to interpret the figures."""


async def run_scenario(
    scenario: Scenario, folder: Path, seed: int, rounds: int, *, is_short: bool = False
) -> Outcome:
    """Run so many rounds on one stack; the same seed makes the same random choices."""
    outcome = Outcome()
    try:
        async with measured(folder) as outcome.stalls, scenario.setup(folder) as stack:
            for number in range(rounds):
                random = Random(f"{seed} {scenario.name} {number}")
                outcome.rounds += 1
                await scenario.run(Trial(stack, random, outcome, is_short))
            await check_audit(stack, outcome)
    except CannotRunError as reason:
        outcome.cannot_run = str(reason)
    except Exception as error:  # a scenario that crashes must not prevent the others
        if is_short:
            raise
        traceback.print_exc()
        outcome.violations.append(f"the scenario crashed: {error!r}")
    if (late := outcome.late_ms or 0.0) > scenario.late_limit_ms:
        outcome.exceeded.append(
            f"a tick was {late:.0f} ms late, the limit is {scenario.late_limit_ms:.0f}"
        )
    if (seconds := outcome.recovery_seconds or 0.0) > scenario.recovery_limit_seconds:
        limit = scenario.recovery_limit_seconds
        outcome.exceeded.append(f"recovered after {seconds:.1f} s, the limit is {limit:.0f}")
    return outcome
