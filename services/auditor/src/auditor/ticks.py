"""The rules of a tick: its number, its due time, its terms and its hold."""

from collections.abc import Iterator

from .history import Event
from .violations import Violation


def check(before: Event, tick: Event, is_known: bool) -> Iterator[Violation]:
    """What is wrong with a tick after the event `before` of its run; `is_known` says whether its
    number has come since the last change."""
    number, following = tick.remaining or 0, before.next_number
    what = f"tick {number}"
    if before.is_held:
        yield Violation("early", f"{what} came while the run was held")
    if is_known:
        yield Violation("duplicate", f"{what} is there twice")
    elif number > following:
        yield Violation("out_of_order", f"{what} came where {following} follows")
    elif missing := before.ticks(following, number):
        yield Violation("out_of_order", f"{what} came where {following} follows", missing)
    elif not tick.has_tick(number) and number != following:
        yield Violation("out_of_order", f"{what} is one too many")
    if tick.due != (due := before.due_by_terms(number)):
        yield Violation("terms", f"{what} says that it was due {tick.due}, not {due}")
    if tick.terms() != before.terms():
        yield Violation("terms", f"{what} has other terms than the event before it")
    if (tick.held_at, tick.held_until) != _planned(tick, number):
        yield Violation("terms", f"{what} is held from {tick.held_at} to {tick.held_until}")


def _planned(tick: Event, number: int) -> tuple[int | None, int | None]:
    """From when to when the tick of a number holds the run."""
    for hold in tick.holds:
        if hold.at == number:
            due = tick.due or 0
            return due, None if hold.for_ms is None else due + hold.for_ms
    return None, None
