"""The checker of a run's history: each event against the terms of the one before it.

It is written from the contract and shares no code with the services. The start, a resume and an
adjustment each begin a segment of the run, within which every number comes once and in order.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from .history import Event

CHANGES = ("held", "resumed", "adjusted")


@dataclass
class Verdict:
    """What the checker found in one run."""

    lost: int = 0
    duplicated: int = 0
    late_ms: float = 0.0
    """The worst lateness of a tick, from when it was due to when the server stored it."""
    early_ms: float = 0.0
    wrong: list[str] = field(default_factory=list)


def check(events: Sequence[Event]) -> Verdict:
    """Check the events of one run that should be over: at zero, or by a cancel."""
    events = _without_repetitions(events)
    verdict, started, last = Verdict(), events[0], events[-1]
    if started.type != "started":
        verdict.wrong.append(f"run {started.run} begins with {started.type}")
    segment: set[int | None] = set()
    for before, event in pairwise(events):
        if _is_over(before) and not _ends_after_zero(before, event):
            verdict.wrong.append(f"run {event.run} goes on after its end: {event.type}")
        if event.type == "tick":
            _check_tick(verdict, before, event, segment)
            segment.add(event.remaining)
        elif event.type in CHANGES:
            segment.clear()
            _check_change(verdict, before, event)
        else:
            _check_end(verdict, before, event)
    if not _is_over(last):
        verdict.lost += _following(last) + 1
    changes = Counter(event.change for event in events if event.type in CHANGES)
    verdict.wrong += [
        f"change {id} was made {count} times" for id, count in changes.items() if count > 1
    ]
    lateness = [event.stored_at - (event.due or 0) for event in events if event.type == "tick"]
    verdict.late_ms = max(lateness, default=0.0)
    verdict.early_ms = max([-late for late in lateness], default=0.0)
    return verdict


def _without_repetitions(events: Sequence[Event]) -> list[Event]:
    """The events without those stored again, the same in every field, after they were removed.

    Ticks stay: where the next one is due within a second, none is stored again.
    """
    return [
        events[0],
        *(
            event
            for before, event in pairwise(events)
            if event.type == "tick"
            or replace(event, seq=before.seq, stored_at=before.stored_at) != before
        ),
    ]


def _is_over(event: Event) -> bool:
    return event.type == "cancelled" or (event.type == "tick" and event.remaining == 0)


def _ends_after_zero(before: Event, event: Event) -> bool:
    """Whether a cancel ends a run that counted on after zero."""
    return (before.type, event.type) == ("tick", "cancelled") and "count" in before.shown


def _following(event: Event) -> int:
    """The number of the tick after the event."""
    return event.first if event.remaining is None else event.remaining - 1


def _terms(event: Event) -> tuple[object, ...]:
    """All that only a change may change."""
    return event.first, event.interval_ms, event.starts_at, event.change, event.shown


def _check_tick(verdict: Verdict, before: Event, tick: Event, segment: set[int | None]) -> None:
    number, following = tick.remaining or 0, _following(before)
    what = f"tick {number} of {tick.run}"
    if before.held_at is not None or tick.held_at is not None:
        verdict.wrong.append(f"{what} came while it was held")
    if number in segment:
        verdict.duplicated += 1
    elif number > following:
        verdict.wrong.append(f"{what} is out of order: {following} follows")
    verdict.lost += max(0, following - number)
    if tick.due != before.due_by_terms(number):
        verdict.wrong.append(f"{what} is due {tick.due}, not {before.due_by_terms(number)}")
    if _terms(tick) != _terms(before):
        verdict.wrong.append(f"{what} has other terms than the event before it")


def _check_end(verdict: Verdict, before: Event, event: Event) -> None:
    what = f"run {event.run}"
    if event.type != "cancelled":
        verdict.wrong.append(f"{what} goes on with {event.type}")
    if event.remaining != before.remaining:
        verdict.wrong.append(f"{what} is cancelled at {event.remaining}, not {before.remaining}")
    if _terms(event) != _terms(before) or event.held_at is not None:
        verdict.wrong.append(f"{what} is cancelled with other terms")


def _check_change(verdict: Verdict, before: Event, event: Event) -> None:
    """Each change against what it may change; all numbers that were due came before it."""
    made = f"{event.type} {event.change} of {event.run}"
    wrong = {"held": _wrong_hold, "resumed": _wrong_resume, "adjusted": _wrong_adjustment}
    verdict.wrong += [f"{made}: {what}" for what in wrong[event.type](before, event)]
    if event.interval_ms != before.interval_ms or event.shown != before.shown:
        verdict.wrong.append(f"{made}: other terms")
    if event.change is None or event.change == before.change:
        verdict.wrong.append(f"{made}: no id of its own")
    since = event.held_at if event.type == "held" else event.at
    following = _following(before)
    while (
        before.held_at is None and following >= 0 and before.due_by_terms(following) <= (since or 0)
    ):
        verdict.lost += 1
        following -= 1


def _wrong_hold(before: Event, held: Event) -> list[str]:
    found = []
    if before.held_at is not None or held.held_at is None:
        found.append(f"held since {held.held_at}, before since {before.held_at}")
    if (held.first, held.starts_at) != (before.first, before.starts_at):
        found.append("other terms")
    if held.remaining != before.remaining:
        found.append(f"at {held.remaining}, not {before.remaining}")
    return found


def _wrong_resume(before: Event, resumed: Event) -> list[str]:
    found = []
    if before.held_at is None or resumed.held_at is not None or resumed.at is None:
        return ["it was not held, or still is"]
    starts_at = before.starts_at + max(0, resumed.at - before.held_at)
    if (resumed.first, resumed.starts_at) != (before.first, starts_at):
        found.append(f"it would start at {resumed.starts_at}, not {starts_at}")
    if resumed.remaining != before.remaining:
        found.append(f"at {resumed.remaining}, not {before.remaining}")
    return found


def _wrong_adjustment(before: Event, adjusted: Event) -> list[str]:
    if adjusted.at is None or adjusted.seconds is None:
        return ["when, or by how much?"]
    zero_at = before.due_by_terms(0) + 1000 * adjusted.seconds
    if before.remaining is None:
        later = adjusted.starts_at - before.starts_at
        is_right = (
            adjusted.remaining is None
            and adjusted.held_at == before.held_at
            and adjusted.due_by_terms(0) == zero_at
            and 0 <= later < adjusted.interval_ms
        )
        return [] if is_right else [f"it starts {later} ms later, zero at {zero_at}"]
    since = adjusted.at if before.held_at is None else before.held_at
    if zero_at <= since:  # zero is due at once, also if it was held
        is_right = (adjusted.held_at, adjusted.remaining) == (None, 1)
        is_right = is_right and adjusted.due_by_terms(0) == adjusted.at
        return [] if is_right else [f"zero, due {zero_at}, is not due at once"]
    if adjusted.held_at != before.held_at:
        return [f"held since {adjusted.held_at}, before since {before.held_at}"]
    if adjusted.due_by_terms(0) != zero_at:
        return [f"zero is due {adjusted.due_by_terms(0)}, not {zero_at}"]
    remaining = adjusted.remaining or 0
    if not adjusted.due_by_terms(remaining) <= since < adjusted.due_by_terms(remaining - 1):
        return [f"at {since} the number before the next tick is not {remaining}"]
    return []
