"""The state that a viewer is told, by the cases that node's tests of the page's script read too."""

from pathlib import Path

import msgspec
import pytest
from msgspec import Raw, Struct

from protocol import events
from protocol.rules import Countdown
from protocol.state import State, state_of

FILE = Path(__file__).parents[2] / "services/frontend/tests/state-cases.json"


class Case(Struct, forbid_unknown_fields=True):
    """The state of a room whose last event is `event`."""

    name: str
    event: Raw
    state: State


class Cases(Struct):
    """The file."""

    cases: list[Case]


CASES = msgspec.json.decode(FILE.read_bytes(), type=Cases).cases


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_state_is_that_of_the_last_event(case: Case) -> None:
    payload = bytes(case.event)
    last = None if payload == b"null" else events.decode(payload, "main")
    assert state_of(Countdown(seq=1, last=last)) == case.state
