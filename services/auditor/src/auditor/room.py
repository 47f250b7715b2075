"""One room as an auditor knows it: its last event, and what the next one may be."""

import msgspec

from . import changes, history, ticks
from .history import CHANGES, Event
from .violations import Violation

AGAIN = ("adjusted", "recycled")
"""After these, numbers that have come may come again."""
MOST_SPANS = 16
"""How many spans of numbers are remembered; there are several only where some are missing."""


class Room:
    """Folds a room's events, of which it keeps the last one."""

    __slots__ = ("_ended", "_spans", "last")

    def __init__(self) -> None:
        self.last: Event | None = None
        self._ended = ""
        """The last run that is over."""
        self._spans: list[tuple[int, int]] = []
        """The numbers that have come and may not come again: from the one down to the other."""

    def take(self, event: Event, skew_ms: float) -> list[Violation]:
        """What is wrong with the room's next event, whose server's clock may be `skew_ms` behind
        that of the scheduler that stored it.

        The first event is taken as it is: what came before it is not known.
        """
        before, ended, self.last = self.last, self._ended, event
        if event.is_end:
            self._ended = event.run
        if before is None:
            self._note(event)
            return []
        if is_again(before, event):
            is_twice = event.type == "tick" and not _may_wait(event)
            return [Violation("duplicate", f"tick {event.remaining} is there twice")] * is_twice
        found = self._compared(before, event, ended)
        if event.run != before.run or event.type in AGAIN:
            self._spans.clear()
        self._note(event)
        return found + _early(before, event, skew_ms)

    def _compared(self, before: Event, event: Event, ended: str) -> list[Violation]:
        if event.run == ended and not _ends_after_zero(before, event):
            if event.type == "tick" and _is_zero(before, event.run) and event.remaining == 0:
                return [Violation("duplicate", "tick 0 is there twice")]
            return [Violation("after_end", f"{_name(event)} came after the run's end")]
        if event.run != before.run:
            if event.type != "started":
                return [Violation("out_of_order", f"the run begins with {_name(event)}")]
            if before.run != ended:
                return [Violation("out_of_order", f"it starts while run {before.run} is under way")]
            return []
        if event.type == "started":
            return [Violation("duplicate", "the run starts twice")]
        if event.type == "cancelled":
            return list(changes.check_end(before, event))
        if event.type in CHANGES:
            return list(changes.check(before, event))
        return list(ticks.check(before, event, self._has_come(event.remaining or 0)))

    def _has_come(self, number: int) -> bool:
        return any(low <= number <= high for high, low in self._spans)

    def _note(self, event: Event) -> None:
        """Note a tick's number: it goes on with the last span, or begins another."""
        if event.type != "tick" or event.remaining is None or self._has_come(event.remaining):
            return
        number = event.remaining
        if self._spans and event.below(self._spans[-1][1]) == number:
            self._spans[-1] = (self._spans[-1][0], number)
        else:
            self._spans = [*self._spans[1 - MOST_SPANS :], (number, number)]


def is_again(before: Event, event: Event) -> bool:
    """Whether it is the event before it, stored once more, the same in every field."""
    return msgspec.structs.replace(event, seq=before.seq, stored_at=before.stored_at) == before


def _may_wait(tick: Event) -> bool:
    """Whether nothing may be due in the second after a tick: of others none is stored again."""
    number = tick.remaining or 0
    return number > 0 and (tick.is_held or tick.interval_ms > 1000 or number > history.DENSE)


def _ends_after_zero(before: Event, event: Event) -> bool:
    """Whether a cancel ends a run that counted on after zero."""
    may_end = _is_zero(before, event.run) and before.after_zero == "count"
    return may_end and event.type == "cancelled"


def _is_zero(event: Event, run: str) -> bool:
    return event.run == run and event.type == "tick" and event.remaining == 0


def _early(before: Event, event: Event, skew_ms: float) -> list[Violation]:
    """What was stored before it was due, by its scheduler's clock or by the server's."""
    if event.type == "tick" and event.due is not None:
        if event.emitted is not None and event.emitted < event.due:
            what = f"tick {event.remaining} was emitted {event.due - event.emitted} ms early"
            return [Violation("early", what, needs_previous=False)]
        due = event.due
    elif event.run == before.run and changes.is_automatic(before, event):
        due = event.at or 0
    else:
        return []
    early_ms = due - event.stored_at
    if early_ms <= skew_ms:
        return []
    what = f"{_name(event)} was stored {early_ms:.0f} ms early"
    return [Violation("early", what, needs_previous=False)]


def _name(event: Event) -> str:
    return f"tick {event.remaining}" if event.type == "tick" else event.type
