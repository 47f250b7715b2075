"""The checker of a run's history: the auditor's rules, and that nothing is missing at its end.

The auditor judges each event by the one before it, and shares no code with the services that write.
Here all of a run is known, so a tick that never came shows, too.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from auditor.changes import is_automatic
from auditor.history import CHANGES, Event
from auditor.room import Room, is_again


@dataclass
class Verdict:
    """What the checker found in one run."""

    lost: int = 0
    duplicated: int = 0
    late_ms: float = 0.0
    """The worst lateness of a tick, or of the end of a planned hold, from when it was due to when
    the server stored it."""
    early_ms: float = 0.0
    wrong: list[str] = field(default_factory=list)


def check(events: Sequence[Event]) -> Verdict:
    """Check the events of one run that should be over: at zero, or by a cancel."""
    verdict, room, started = Verdict(), Room(), events[0]
    if started.type != "started":
        verdict.wrong.append(f"run {started.run} begins with {started.type}")
    for event in events:
        for violation in room.take(event, skew_ms=math.inf):
            verdict.lost += violation.missing
            if violation.kind == "duplicate":
                verdict.duplicated += 1
            elif not violation.missing:
                verdict.wrong.append(f"run {event.run}: {violation.what}")
    if not events[-1].is_end:
        verdict.lost += events[-1].ticks(events[-1].next_number, -1)
    steps = [pair for pair in pairwise(events) if not is_again(*pair)]
    made = Counter(
        event.change
        for before, event in steps
        if event.type in CHANGES and not is_automatic(before, event)
    )
    verdict.wrong += [
        f"change {id} was made {count} times" for id, count in made.items() if count > 1
    ]
    late = [event.stored_at - (event.due or 0) for _, event in steps if event.type == "tick"]
    late += [
        event.stored_at - (event.at or 0)
        for pair in steps
        if is_automatic(*pair)
        for event in pair[1:]
    ]
    verdict.late_ms = max(late, default=0.0)
    verdict.early_ms = max([-one for one in late], default=0.0)
    return verdict
