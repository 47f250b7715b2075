"""A row of the table: what happens, what must hold, and how to try it."""

import math
import traceback
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TypeVar

from .outcome import CannotRunError, Outcome
from .stack import Stack, running
from .stalls import measured

T = TypeVar("T")


@dataclass
class Trial:
    """One round of a row: what to harm, the dice, where to note what is seen."""

    stack: Stack
    random: Random
    outcome: Outcome
    is_short: bool

    def either(self, usual: T, short: T) -> T:
        """`usual` in the long run of `make chaos`, `short` in `make test`."""
        return short if self.is_short else usual


@dataclass(frozen=True)
class Row:
    """One way to harm the system; `name` chooses it on the command line."""

    name: str
    happens: str
    must_hold: str
    play: Callable[[Trial], Awaitable[None]]
    rounds: int
    setting: Callable[[Path], AbstractAsyncContextManager[Stack]] = running
    late_limit_ms: float = math.inf
    """The most that a tick may be late: over it the row is slow, which a busy machine may cause."""
    right_limit_seconds: float = math.inf
    """The same for the last outdated number on a viewer."""
    is_on_request: bool = False
    """Played only when it is asked for; what the page says of it stays there meanwhile."""
    remark: str = ""
    """What a reader has to know to read the figures."""


async def carry_out(
    row: Row, folder: Path, seed: int, rounds: int, *, is_short: bool = False
) -> Outcome:
    """Play a row so many times on one stack; the same seed throws the same dice."""
    outcome = Outcome()
    try:
        async with measured(folder) as outcome.stalls, row.setting(folder) as stack:
            for number in range(rounds):
                dice = Random(f"{seed} {row.name} {number}")
                outcome.rounds += 1
                await row.play(Trial(stack, dice, outcome, is_short))
    except CannotRunError as reason:
        outcome.cannot_run = str(reason)
    except Exception as error:  # a row that stumbles must not cost the others their turn
        if is_short:
            raise
        traceback.print_exc()
        outcome.broken.append(f"the row came to no end: {error!r}")
    if (late := outcome.late_ms or 0.0) > row.late_limit_ms:
        outcome.exceeded.append(f"a tick {late:.0f} ms late, {row.late_limit_ms:.0f} at most")
    if (seconds := outcome.right_again or 0.0) > row.right_limit_seconds:
        limit = row.right_limit_seconds
        outcome.exceeded.append(f"right again after {seconds:.1f} s, {limit:.0f} at most")
    return outcome
