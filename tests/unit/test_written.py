"""What people write into the form, by the cases that node's tests of the page's script read too."""

from pathlib import Path

import msgspec
import pytest
from msgspec import Struct

from frontend import written

FILE = Path(__file__).parents[2] / "services/frontend/tests/written-cases.json"


class Case(Struct, forbid_unknown_fields=True, rename={"is_": "is"}):
    """A text, what it is, and of planned holds the one that can't be read."""

    text: str
    is_: int | list[dict[str, int]] | None
    wrong: str = ""


class Cases(Struct):
    """The file."""

    numbers: list[Case]
    minutes: list[Case]
    holds: list[Case]


CASES = msgspec.json.decode(FILE.read_bytes(), type=Cases)


def read_or_none(read: object, text: str) -> object:
    assert callable(read)
    try:
        return read(text)
    except (ValueError, OverflowError):
        return None


@pytest.mark.parametrize("case", CASES.numbers, ids=lambda case: case.text)
def test_numbers_are_read_as_the_script_reads_them(case: Case) -> None:
    assert read_or_none(written.number, case.text) == case.is_


@pytest.mark.parametrize("case", CASES.minutes, ids=lambda case: case.text)
def test_minutes_are_read_as_the_script_reads_them(case: Case) -> None:
    assert read_or_none(written.lead_ms, case.text) == case.is_


@pytest.mark.parametrize("minutes", ["1e999", ""])
def test_what_is_no_number_of_minutes_is_refused(minutes: str) -> None:
    assert read_or_none(written.lead_ms, minutes) is None


@pytest.mark.parametrize("case", CASES.holds, ids=lambda case: case.text)
def test_planned_holds_are_read_as_the_script_reads_them(case: Case) -> None:
    if case.is_ is not None:
        assert written.holds(case.text) == case.is_
    else:
        with pytest.raises(ValueError, match=f"^holds: “{case.wrong}” should be"):
            written.holds(case.text)
