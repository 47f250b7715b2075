"""Every scenario of the failure table, once and briefly; `make chaos` runs them at length."""

import random
from pathlib import Path

import pytest

from .scenario import Scenario, run_scenario
from .scenarios import LOCAL


@pytest.mark.parametrize("scenario", LOCAL, ids=lambda scenario: scenario.name)
async def test_no_tick_is_lost_or_duplicated_when(scenario: Scenario, tmp_path: Path) -> None:
    """Whichever part fails, at any instant."""
    seed = random.randrange(10**6)
    outcome = await run_scenario(scenario, tmp_path, seed, rounds=1, is_short=True)
    if outcome.cannot_run:
        pytest.skip(outcome.cannot_run)
    assert outcome.holds, f"seed {seed}: {outcome}"
