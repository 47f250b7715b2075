"""When the next event is due, by the cases that node's tests of the page's script read too."""

from pathlib import Path

import msgspec
import pytest
from msgspec import Raw, Struct

from protocol import events, rules
from protocol.rules import Countdown

FILE = Path(__file__).parents[2] / "services/frontend/tests/due-cases.json"


class Case(Struct, forbid_unknown_fields=True):
    """When the next event is due, in epoch ms, after `event`."""

    name: str
    event: Raw
    due: int | None


class Cases(Struct):
    """The file."""

    cases: list[Case]


CASES = msgspec.json.decode(FILE.read_bytes(), type=Cases).cases


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_schedulers_store_the_next_event_when_the_page_expects_it(case: Case) -> None:
    payload = bytes(case.event)
    last = None if payload == b"null" else events.decode(payload, "main")
    assert rules.next_due(Countdown(seq=1, last=last)) == case.due
