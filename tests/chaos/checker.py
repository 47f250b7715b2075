"""The checker of a run's history: each event against the terms of the one before it.

It is written from the contract and shares no code with the services. The start, a resume, an
adjustment and a recycle each begin a segment of the run, within which every number that has a tick
comes once and in order.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from .history import Event

CHANGES = ("held", "resumed", "adjusted", "recycled")
DENSE, SPARSE = 86_400, 3_600
"""Above the first number only the multiples of the second have a tick."""


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
        verdict.lost += _ticks(last, _following(last), 0) + 1
    changes = Counter(
        event.change
        for before, event in pairwise(events)
        if event.type in CHANGES and not _is_by_itself(before, event)
    )
    verdict.wrong += [
        f"change {id} was made {count} times" for id, count in changes.items() if count > 1
    ]
    lateness = [event.stored_at - (event.due or 0) for event in events if event.type == "tick"]
    lateness += [
        event.stored_at - (event.at or 0)
        for before, event in pairwise(events)
        if _is_by_itself(before, event)
    ]
    verdict.late_ms = max(lateness, default=0.0)
    verdict.early_ms = max([-late for late in lateness], default=0.0)
    return verdict


def _without_repetitions(events: Sequence[Event]) -> list[Event]:
    """The events without those stored again, the same in every field, after they were removed.

    Ticks stay if the next one is due within a second: of those none is stored again.
    """
    return [
        events[0],
        *(
            event
            for before, event in pairwise(events)
            if (event.type == "tick" and not _waits(event))
            or replace(event, seq=before.seq, stored_at=before.stored_at) != before
        ),
    ]


def _waits(tick: Event) -> bool:
    """Whether nothing is due in the second after a tick."""
    return tick.held_at is not None or tick.interval_ms > 1000 or (tick.remaining or 0) > DENSE


def _is_over(event: Event) -> bool:
    return event.type == "cancelled" or (event.type == "tick" and event.remaining == 0)


def _ends_after_zero(before: Event, event: Event) -> bool:
    """Whether a cancel ends a run that counted on after zero."""
    return (before.type, event.type) == ("tick", "cancelled") and "count" in before.shown


def _is_by_itself(before: Event, event: Event) -> bool:
    """Whether nobody asked for it: the end of a planned hold."""
    return event.type == "resumed" and event.change == before.change


def _has_tick(event: Event, number: int) -> bool:
    planned = {at for at, _ in event.holds}
    return number <= DENSE or number % SPARSE == 0 or number in planned


def _following(event: Event) -> int:
    """The number of the tick after the event; -1 after zero."""
    return event.first if event.remaining is None else _below(event, event.remaining)


def _below(event: Event, number: int) -> int:
    return next((it for it in range(number - 1, -1, -1) if _has_tick(event, it)), -1)


def _ticks(event: Event, above: int, number: int) -> int:
    """How many numbers have a tick, from the one `above` down to `number`, without that."""
    return sum(_has_tick(event, it) for it in range(number + 1, above + 1))


def _terms(event: Event) -> tuple[object, ...]:
    """All that only a change may change."""
    return (
        *(event.first, event.interval_ms, event.starts_at, event.change),
        *(event.shown, event.holds),
    )


def _check_tick(verdict: Verdict, before: Event, tick: Event, segment: set[int | None]) -> None:
    number, following = tick.remaining or 0, _following(before)
    what = f"tick {number} of {tick.run}"
    if before.held_at is not None:
        verdict.wrong.append(f"{what} came while it was held")
    if (tick.held_at, tick.held_until) != _planned(tick, number):
        verdict.wrong.append(f"{what} is held from {tick.held_at} to {tick.held_until}")
    if not _has_tick(tick, number) and number != following:
        verdict.wrong.append(f"{what} is one too many")
    if number in segment:
        verdict.duplicated += 1
    elif number > following:
        verdict.wrong.append(f"{what} is out of order: {following} follows")
    verdict.lost += _ticks(before, following, number)
    if tick.due != before.due_by_terms(number):
        verdict.wrong.append(f"{what} is due {tick.due}, not {before.due_by_terms(number)}")
    if _terms(tick) != _terms(before):
        verdict.wrong.append(f"{what} has other terms than the event before it")


def _planned(tick: Event, number: int) -> tuple[int | None, int | None]:
    """From when to when the tick of a number holds the run."""
    for at, for_ms in tick.holds:
        if at == number:
            due = tick.due or 0
            return due, None if for_ms is None else due + for_ms
    return None, None


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
    wrong = {
        "held": _wrong_hold,
        "resumed": _wrong_resume,
        "adjusted": _wrong_adjustment,
        "recycled": _wrong_recycle,
    }
    verdict.wrong += [f"{made}: {what}" for what in wrong[event.type](before, event)]
    kept = (event.interval_ms, event.shown, event.holds)
    if kept != (before.interval_ms, before.shown, before.holds):
        verdict.wrong.append(f"{made}: other terms")
    if _is_by_itself(before, event):
        if event.at != before.held_until:
            verdict.wrong.append(f"{made}: by itself at {event.at}, not {before.held_until}")
        return
    if event.change is None or event.change == before.change:
        verdict.wrong.append(f"{made}: no id of its own")
    if before.held_until is not None and (event.at or 0) >= before.held_until:
        verdict.wrong.append(f"{made}: it was to go on at {before.held_until}")
    since = event.held_at if event.type == "held" else event.at
    following = _following(before)
    while (
        before.held_at is None and following >= 0 and before.due_by_terms(following) <= (since or 0)
    ):
        verdict.lost += 1
        following = _below(before, following)


def _wrong_hold(before: Event, held: Event) -> list[str]:
    found = []
    since = held.held_at if before.held_until is None else before.held_at
    if (before.held_at is not None and before.held_until is None) or held.held_at is None:
        found.append(f"held since {held.held_at}, before since {before.held_at}")
    if held.held_at != since or held.held_until is not None:
        found.append(f"held from {held.held_at} to {held.held_until}, before since {since}")
    if (held.first, held.starts_at) != (before.first, before.starts_at):
        found.append("other terms")
    if held.remaining != before.remaining:
        found.append(f"at {held.remaining}, not {before.remaining}")
    return found


def _wrong_resume(before: Event, resumed: Event) -> list[str]:
    found = []
    if before.held_at is None or resumed.held_at is not None or resumed.at is None:
        return ["it was not held, or still is"]
    if resumed.held_until is not None:
        return [f"it is held until {resumed.held_until}"]
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
        held = (adjusted.held_at, adjusted.held_until)
        is_right = (*held, adjusted.remaining) == (None, None, 1)
        is_right = is_right and adjusted.due_by_terms(0) == adjusted.at
        return [] if is_right else [f"zero, due {zero_at}, is not due at once"]
    if (adjusted.held_at, adjusted.held_until) != (before.held_at, before.held_until):
        return [f"held from {adjusted.held_at} to {adjusted.held_until}"]
    if adjusted.due_by_terms(0) != zero_at:
        return [f"zero is due {adjusted.due_by_terms(0)}, not {zero_at}"]
    remaining = adjusted.remaining or 0
    if not adjusted.due_by_terms(remaining) <= since < adjusted.due_by_terms(remaining - 1):
        return [f"at {since} the number before the next tick is not {remaining}"]
    return []


def _wrong_recycle(before: Event, recycled: Event) -> list[str]:
    number = recycled.remaining or 0
    found = []
    if before.held_at is None or recycled.at is None or number < 1:
        return ["it was not held, or stands nowhere"]
    if (recycled.held_at, recycled.held_until) != (before.held_at, None):
        found.append(f"held from {recycled.held_at} to {recycled.held_until}")
    if recycled.first != max(before.first, number):
        found.append(f"a run from {recycled.first}")
    if recycled.due_by_terms(number) != before.held_at:
        found.append(f"{number} is due {recycled.due_by_terms(number)}, not {before.held_at}")
    return found
