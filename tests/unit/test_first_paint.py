"""The first paint, by the cases that node's tests of the page's script read too."""

from pathlib import Path

import msgspec
import pytest
from msgspec import Struct

from frontend import first_paint
from frontend.first_paint import DELAY_MS
from protocol.state import State

FILE = Path(__file__).parents[2] / "services/frontend/tests/countdown-cases.json"


class Case(Struct, kw_only=True, forbid_unknown_fields=True):
    """What is shown of `state`, `after` ms after its first number is to be shown."""

    name: str
    state: State
    after: int
    clock: bool = False
    number: str
    left: float
    caption: str
    page_caption: str = ""
    status: str = ""
    phase: str = ""
    to_zero: str = ""


class Cases(Struct):
    """The file."""

    cases: list[Case]


CASES = msgspec.json.decode(FILE.read_bytes(), type=Cases).cases


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_first_paint_shows_what_the_page_does(case: Case) -> None:
    now_ms = (case.state.starts_at or 0) + DELAY_MS + case.after
    shown = first_paint.of_state(case.state, now_ms, case.clock)
    assert shown.number == case.number
    assert shown.left == pytest.approx(case.left, abs=1e-4)
    assert shown.caption == case.caption
    assert shown.status == case.status or not case.status
    assert shown.phase == case.phase
    assert shown.to_zero == case.to_zero


def test_a_state_that_nobody_reported_shows_nothing() -> None:
    shown = first_paint.of_state(None, 0, False)
    assert (shown.number, shown.left) == ("", 0)
    assert shown.caption == "no word from the coordinator"


@pytest.mark.parametrize(
    ("left", "first_half", "second_half"),
    [(1, 0, 0), (0.75, 90, 0), (0.5, 180, 0), (0.25, 180, 91), (0, 180, 181)],
)
def test_the_halves_of_the_ring_turn_one_after_the_other(
    left: float, first_half: float, second_half: float
) -> None:
    shown = first_paint.FirstPaint(number="", left=left, caption="")
    assert (shown.first_half, shown.second_half) == (first_half, second_half)


@pytest.mark.parametrize(
    ("number", "size"),
    [("", 2), ("9", 2), ("10", 2), ("23:59:59", 8), ("+1\N{NO-BREAK SPACE}d 00:00:00", "days")],
)
def test_nine_is_as_large_as_ten(number: str, size: int | str) -> None:
    assert first_paint.FirstPaint(number=number, left=1, caption="").size == size
