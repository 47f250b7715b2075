"""Every row of the failure table, once and short; `make chaos` plays them at length."""

import random
from pathlib import Path

import pytest

from .row import Row, carry_out
from .rows import ROWS, SOAK


@pytest.mark.parametrize("row", [*ROWS, SOAK], ids=lambda row: row.name)
async def test_no_tick_is_lost_or_doubled_when(row: Row, tmp_path: Path) -> None:
    """Whatever happens to whatever part, at whatever instant."""
    seed = random.randrange(10**6)
    outcome = await carry_out(row, tmp_path, seed, rounds=1, is_short=True)
    if outcome.cannot_run:
        pytest.skip(outcome.cannot_run)
    assert outcome.holds, f"seed {seed}: {outcome}"
