"""How many rooms an auditor remembers, and what it takes for garbage."""

import subprocess
import sys

import pytest

from auditor import audit
from auditor.audit import Audit
from auditor.settings import Settings
from bus.connection import Bus
from bus.stream import Entry
from protocol import events, rules, subjects
from protocol.requests import Cancel, Start
from protocol.rules import Countdown


def test_an_auditor_shares_no_rule_with_those_whom_it_checks() -> None:
    """It would share their faults, too."""
    program = (
        "import sys, auditor.app; "
        "print([name for name in sys.modules if name in ('protocol.rules', 'protocol.changes') "
        "or name.split('.')[0] in ('scheduler', 'coordinator', 'frontend')])"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    assert done.stdout.strip() == b"[]"


@pytest.fixture
async def audited() -> Audit:
    return Audit(Bus(Settings(), "auditor"), 0)


def entries(room: str, *, is_over: bool) -> list[Entry]:
    """A run that begins in a room, and is cancelled if so."""
    started = rules.start(Countdown(), Start(room=room), 1000, "run", "scheduler-1")
    cancelled = rules.cancel(Countdown(1, started), Cancel(room=room), "scheduler-1")
    stored: list[events.Event] = [started, cancelled] if is_over else [started]
    return [
        Entry(seq, subjects.events(room), events.encode(event), 1000)
        for seq, event in enumerate(stored, start=1)
    ]


async def test_of_rooms_without_a_run_it_remembers_so_many(
    audited: Audit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "ROOMS_WITHOUT_A_RUN", 5)
    for number in range(20):
        for entry in entries(f"room-{number}", is_over=True):
            audited.fold(entry)
    for entry in entries("counting", is_over=False):
        audited.fold(entry)
    assert list(audited._rooms) == [*(f"room-{number}" for number in range(15, 20)), "counting"]
    assert list(audited._over) == [f"room-{number}" for number in range(15, 20)]


async def test_what_a_newer_version_stores_is_not_judged(audited: Audit) -> None:
    """Nor what follows it: the room is as if it were not known."""
    [started] = entries("main", is_over=False)
    audited.fold(started)
    for payload in (
        b'{"type":"paused","room":"main","run":"run"}',
        b'{"type":"cancelled","room":"main","run":"run","from":10,"interval_ms":1000,'
        b'"starts_at":1000,"by":"x","remaining":null,"seconds":"many"}',
    ):
        audited.fold(Entry(2, started.subject, payload, 1000))
        assert audited._rooms == {}


@pytest.mark.parametrize(
    "payload", [b"", b"{}", b"[" * 3000, b'{"type":"tick","room":"main"}', b"\xff"]
)
async def test_garbage_changes_nothing(audited: Audit, payload: bytes) -> None:
    [started] = entries("main", is_over=False)
    audited.fold(started)
    before = audited._rooms["main"].last
    audited.fold(Entry(2, started.subject, payload, 1000))
    audited.fold(Entry(3, "countdown.No Room.events", started.data, 1000))
    assert audited._rooms["main"].last is before


async def test_no_more_than_so_many_events_are_in_doubt(audited: Audit) -> None:
    [started] = entries("main", is_over=False)
    for number in range(audit.IN_DOUBT + 10):
        other = started.data.replace(b'"run":"run"', b'"run":"run-%d"' % number)
        audited.fold(Entry(2 + number, started.subject, other, 1000))
    assert audited._doubts.qsize() == audit.IN_DOUBT
    audited.reset("another stream")
    assert (audited._doubts.qsize(), audited._rooms) == (0, {})
