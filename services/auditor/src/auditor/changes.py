"""The rules of a change and of an end: what each may alter, and what has to come before it."""

from collections.abc import Iterator

from .history import Event
from .violations import Violation


def is_automatic(before: Event, event: Event) -> bool:
    """Whether nobody asked for it: the end of a planned hold."""
    return event.type == "resumed" and event.change == before.change


def check(before: Event, event: Event) -> Iterator[Violation]:
    """What is wrong with a change after the event `before` of its run: what was due came before it,
    and it alters only what it may."""
    made = event.change or event.type
    wrong = {"held": _hold, "resumed": _resume, "adjusted": _adjustment, "recycled": _recycle}
    for what in wrong[event.type](before, event):
        yield Violation("terms", f"{made}: {what}")
    if event.kept() != before.kept():
        yield Violation("terms", f"{made}: other terms")
    if is_automatic(before, event):
        if event.at != before.held_until:
            yield Violation("terms", f"{made}: by itself at {event.at}, not {before.held_until}")
        return
    if event.change is None:
        yield Violation("terms", f"{made}: it has no id")
    elif event.change == before.change:
        yield Violation("duplicate", f"{made} is there twice")
    if before.held_until is not None and (event.at or 0) >= before.held_until:
        yield Violation("out_of_order", f"{made}: the run was to go on at {before.held_until}")
    since = event.held_at if event.type == "held" else event.at
    if missing := _due(before, since or 0):
        yield Violation(
            "out_of_order", f"{made}: {before.next_number} was due before it", missing=missing
        )


def check_end(before: Event, cancelled: Event) -> Iterator[Violation]:
    """What is wrong with a cancel after the event `before` of its run."""
    if cancelled.remaining != before.remaining:
        yield Violation("terms", f"cancelled at {cancelled.remaining}, not {before.remaining}")
    if cancelled.terms() != before.terms() or cancelled.is_held:
        yield Violation("terms", "cancelled with other terms")


def _due(before: Event, at: int) -> int:
    """How many ticks were due by then that had not come."""
    if before.is_held:
        return 0
    number = before.first - (at - before.starts_at) // before.interval_ms
    return before.ticks(before.next_number, max(number, 0) - 1)


def _hold(before: Event, held: Event) -> Iterator[str]:
    since = held.held_at if before.held_until is None else before.held_at
    if (before.is_held and before.held_until is None) or not held.is_held:
        yield f"held since {held.held_at}, before since {before.held_at}"
    if held.held_at != since or held.held_until is not None:
        yield f"held from {held.held_at} to {held.held_until}, before since {since}"
    if (held.first, held.starts_at) != (before.first, before.starts_at):
        yield "other terms"
    if held.remaining != before.remaining:
        yield f"at {held.remaining}, not {before.remaining}"


def _resume(before: Event, resumed: Event) -> Iterator[str]:
    if before.held_at is None or resumed.is_held or resumed.at is None:
        yield "it was not held, or still is"
        return
    if resumed.held_until is not None:
        yield f"it is held until {resumed.held_until}"
    starts_at = before.starts_at + max(0, resumed.at - before.held_at)
    if (resumed.first, resumed.starts_at) != (before.first, starts_at):
        yield f"it would start at {resumed.starts_at}, not {starts_at}"
    if resumed.remaining != before.remaining:
        yield f"at {resumed.remaining}, not {before.remaining}"


def _adjustment(before: Event, adjusted: Event) -> Iterator[str]:
    if adjusted.at is None or adjusted.seconds is None:
        yield "when, or by how much?"
        return
    held = (adjusted.held_at, adjusted.held_until)
    zero_at, zero = before.due_by_terms(0) + 1000 * adjusted.seconds, adjusted.due_by_terms(0)
    since = adjusted.at if before.held_at is None else before.held_at
    if before.remaining is None:
        later = adjusted.starts_at - before.starts_at
        is_right = adjusted.remaining is None and adjusted.held_at == before.held_at
        if not (is_right and zero == zero_at and 0 <= later < adjusted.interval_ms):
            yield f"it starts {later} ms later, zero at {zero}, not {zero_at}"
    elif zero_at <= since:  # zero is due at once, also if it was held
        if (*held, adjusted.remaining, zero) != (None, None, 1, adjusted.at):
            yield f"zero, due {zero_at}, is not due at once"
    elif held != (before.held_at, before.held_until):
        yield f"held from {adjusted.held_at} to {adjusted.held_until}"
    elif zero != zero_at:
        yield f"zero is due {zero}, not {zero_at}"
    else:
        number = adjusted.remaining or 0
        if not adjusted.due_by_terms(number) <= since < adjusted.due_by_terms(number - 1):
            yield f"at {since} the number before the next tick is not {number}"


def _recycle(before: Event, recycled: Event) -> Iterator[str]:
    number = recycled.remaining or 0
    if not before.is_held or recycled.at is None or number < 1:
        yield "it was not held, or stands nowhere"
        return
    if (recycled.held_at, recycled.held_until) != (before.held_at, None):
        yield f"held from {recycled.held_at} to {recycled.held_until}"
    if recycled.first != max(before.first, number):
        yield f"a run from {recycled.first}"
    if (due := recycled.due_by_terms(number)) != before.held_at:
        yield f"{number} is due {due}, not {before.held_at}"
