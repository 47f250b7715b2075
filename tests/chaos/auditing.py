"""The auditor beside every scenario: it must find nothing wrong, in all that was stored.

Its process follows the stream while the scenario runs. Afterwards its rules are applied once more,
to what the stream holds then, unless that is too much: also of rooms and runs that the scenario
itself does not look at.
"""

import asyncio
import math
import time
from collections import defaultdict
from itertools import pairwise

from auditor.history import Event
from auditor.room import Room, is_again

from . import history
from .outcome import Outcome
from .stack import Service, Stack

LOOK_SECONDS = 0.02
MOST_READ = 5000
"""More entries than that take long to read again, and the auditor has read them."""
BEHIND_SECONDS = 20.0
"""How long after a scenario the auditor may take to read the rest."""
VIOLATION = "a rule was broken"


async def check_audit(stack: Stack, outcome: Outcome) -> None:
    """Require that nothing was found, in no fewer ticks than the stream holds."""
    count, last = await history.size(stack)
    rooms = _by_room(await history.read(stack) if count <= MOST_READ else [])
    for room in rooms.values():
        outcome.violations += _wrong(room)
    if (auditor := stack.auditor) is None:
        return
    name = auditor.process.name
    reached = await _reached(stack, auditor, last)
    outcome.require(reached >= last, f"{name} is at entry {reached:.0f}, the last one is {last}")
    stored = sum(map(_ticks, rooms.values()))
    checked = await stack.metric(auditor, "tminus_audit_ticks_total")
    outcome.require(checked >= stored, f"{name} has checked {checked:.0f} of {stored} ticks")
    outcome.audited += int(checked)
    found = await stack.metric(auditor, "tminus_audit_violations_total")
    log = auditor.process.log()
    lines = [line[:300] for line in log.splitlines() if VIOLATION in line]
    outcome.require(not found, f"{name} has counted {found:.0f} violations: {lines[-5:]}")
    outcome.require("Traceback" not in log, f"{name} logged a traceback")


async def _reached(stack: Stack, auditor: Service, seq: int) -> float:
    """Where the auditor is, once it has read everything and looked at what was in doubt."""
    deadline = time.monotonic() + BEHIND_SECONDS
    while True:
        reached = await stack.metric(auditor, "tminus_audit_position")
        in_doubt = await stack.metric(auditor, "tminus_audit_in_doubt")
        if (reached >= seq and not in_doubt) or time.monotonic() > deadline:
            return reached
        await asyncio.sleep(LOOK_SECONDS)


def _by_room(events: list[Event]) -> dict[str, list[Event]]:
    found: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        found[event.room].append(event)
    return found


def _wrong(events: list[Event]) -> list[str]:
    room = Room()
    return [
        f"in {event.room}, run {event.run}: {violation.what}"
        for event in events
        for violation in room.take(event, skew_ms=math.inf)
    ]


def _ticks(events: list[Event]) -> int:
    """How many ticks there are in a room, those stored again not counted."""
    first = int(events[0].type == "tick")
    return first + sum(
        event.type == "tick" and not is_again(before, event) for before, event in pairwise(events)
    )
