"""Minutes as people write them into the form."""

import json
from pathlib import Path

import pytest

from frontend import inputs

CASES = json.loads(
    (Path(__file__).parents[2] / "services/frontend/tests/minutes-cases.json").read_text()
)["cases"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["minutes"])
def test_minutes_are_read_as_the_script_reads_them(case: dict[str, str | int]) -> None:
    assert inputs.lead_ms(str(case["minutes"])) == case["ms"]


@pytest.mark.parametrize("minutes", ["5 min", "soon", "1,2,3", "1e999", ""])
def test_what_is_no_number_is_refused(minutes: str) -> None:
    with pytest.raises((ValueError, OverflowError)):
        inputs.lead_ms(minutes)
