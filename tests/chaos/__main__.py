"""The failure table: `python -m chaos [--rounds N] [--seed S] [--row NAME]…`."""

import argparse
import asyncio
import os
import random
import sys
import tempfile
import time
from pathlib import Path

from .outcome import Outcome
from .row import Row, carry_out
from .rows import CONTAINERS, ROWS, SOAK
from .table import describe, write


def main() -> int:
    """Play the rows; gives 1 where one of them lost or doubled a tick or broke otherwise."""
    every_row = [*ROWS, CONTAINERS, SOAK]
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--rounds", type=int, help="rounds of every row")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="the dice")
    parser.add_argument("--row", action="append", choices=[row.name for row in every_row])
    parser.add_argument("--soak", action="store_true", help="ten minutes of coming and going too")
    given = parser.parse_args()
    asked_for = given.row or [row.name for row in every_row if not row.is_on_request]
    rows = [row for row in every_row if row.name in asked_for or (row is SOAK and given.soak)]
    print(f"seed {given.seed}: make chaos SEED={given.seed} repeats this", flush=True)
    begun, other_load = time.monotonic(), os.getloadavg()[1]
    with tempfile.TemporaryDirectory(prefix="tminus-chaos-") as folder:
        outcomes = asyncio.run(_play(rows, Path(folder), given.seed, given.rounds))
    minutes = (time.monotonic() - begun) / 60
    if given.row is None:
        write(outcomes, [] if given.soak else [SOAK], given.seed, minutes, other_load)
    else:
        print("docs/failure-table.md is written only when all rows are played")
    return 0 if all(outcome.holds for _, outcome in outcomes) else 1


async def _play(
    rows: list[Row], folder: Path, seed: int, rounds: int | None
) -> list[tuple[Row, Outcome]]:
    outcomes = []
    for row in rows:
        begun = time.monotonic()
        print(f"{row.name}: {row.happens}", flush=True)
        outcome = await carry_out(row, folder / row.name, seed, rounds or row.rounds)
        outcomes.append((row, outcome))
        print(f"  {describe(outcome)} ({time.monotonic() - begun:.0f} s)", flush=True)
    return outcomes


if __name__ == "__main__":
    sys.exit(main())
