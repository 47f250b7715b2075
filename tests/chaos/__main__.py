"""The failure table: `python -m chaos [--rounds N] [--seed S] [--scenario NAME]… [--soak]`."""

import argparse
import asyncio
import os
import random
import sys
import tempfile
import time
from pathlib import Path

from .outcome import Outcome
from .scenario import Scenario, run_scenario
from .scenarios import ALL, SOAK
from .table import describe, write


def main() -> int:
    """Run the scenarios; gives 1 if one of them lost or duplicated a tick or failed otherwise."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--rounds", type=int, help="rounds of every scenario")
    parser.add_argument(
        "--seed", type=int, default=random.randrange(10**6), help="of every random choice"
    )
    parser.add_argument("--scenario", action="append", choices=[scenario.name for scenario in ALL])
    parser.add_argument("--soak", action="store_true", help="run the soak of ten minutes, too")
    given = parser.parse_args()
    names = given.scenario or [scenario.name for scenario in ALL if not scenario.is_on_request]
    if given.soak:
        names.append(SOAK.name)
    scenarios = [scenario for scenario in ALL if scenario.name in names]
    print(f"seed {given.seed}: make chaos SEED={given.seed} repeats this", flush=True)
    begun, other_load = time.monotonic(), os.getloadavg()[1]
    with tempfile.TemporaryDirectory(prefix="tminus-chaos-") as folder:
        outcomes = asyncio.run(_run(scenarios, Path(folder), given.seed, given.rounds))
    minutes = (time.monotonic() - begun) / 60
    if given.rounds is None:
        write(outcomes, ALL, given.seed, minutes, other_load)
    else:
        print("docs/failure-table.md is written only of as many rounds as each scenario has")
    return 0 if all(outcome.holds for _, outcome in outcomes) else 1


async def _run(
    scenarios: list[Scenario], folder: Path, seed: int, rounds: int | None
) -> list[tuple[Scenario, Outcome]]:
    outcomes = []
    for scenario in scenarios:
        begun = time.monotonic()
        print(f"{scenario.name}: {scenario.description}", flush=True)
        outcome = await run_scenario(
            scenario, folder / scenario.name, seed, rounds or scenario.rounds
        )
        outcomes.append((scenario, outcome))
        print(f"  {describe(outcome)} ({time.monotonic() - begun:.0f} s)", flush=True)
    return outcomes


if __name__ == "__main__":
    sys.exit(main())
