"""The rules of a room: what its last event means, what may happen next and when.

Pure: no clock, no bus. A countdown is what its room's last event says, so `apply` is all there is
to fold, and any replica with a `Countdown` can decide. The bus keeps their decisions consistent: it
stores an event only if `seq` is still the last of the room's subject.
"""

from typing import TypeVar

import msgspec
from msgspec import Struct

from .events import (
    Cancelled,
    Change,
    Event,
    Known,
    Started,
    Terms,
    Tick,
    Unknown,
)
from .refusals import (
    NothingUnderWay,
    NotUnderstood,
    OtherTerms,
    RunUnderWay,
)
from .requests import MAX_LAG_MS, MAX_LEAD_MS, Cancel, RequestError, Start

E = TypeVar("E", bound=Terms)


class Countdown(Struct, frozen=True):
    """A room's last event, if it is known, and the sequence of its subject's last entry."""

    seq: int = 0
    last: Event | None = None

    @property
    def is_under_way(self) -> bool:
        """Whether a run is under way: accepted, not at zero, not cancelled; it may be held."""
        match self.last:
            case None | Unknown() | Cancelled() | Tick(remaining=0):
                return False
            case _:
                return True


def apply(countdown: Countdown, seq: int, event: Event | None) -> Countdown:
    """The countdown after the entry `seq` of its subject; `event` is None if that was garbage.

    A known entry changes nothing, so a fold may see entries again. Garbage still counts for `seq`:
    the next append has to expect it.
    """
    if seq <= countdown.seq:
        return countdown
    return Countdown(seq, countdown.last if event is None else event)


def removed(countdown: Countdown, seq: int) -> Countdown:
    """The countdown after its last entries were removed from the stream; `seq` is the sequence of
    the last one left, 0 for none.

    A run under way goes on: its next event is appended after what is left. If nothing is left of a
    room without a run, its state is unknown.
    """
    return Countdown(seq, countdown.last if seq or countdown.is_under_way else None)


def next_remaining(countdown: Countdown) -> int | None:
    """The number of the next tick; None if no run is under way."""
    last = countdown.last
    if not countdown.is_under_way or not isinstance(last, Known):
        return None
    return last.from_ if last.remaining is None else last.remaining - 1


def next_due(countdown: Countdown) -> int | None:
    """When the next tick is to be emitted, in milliseconds since the Unix epoch; None if no run is
    under way, or it is held."""
    remaining, last = next_remaining(countdown), countdown.last
    if remaining is None or not isinstance(last, Known) or last.held_at is not None:
        return None
    return last.due(remaining)


def decide(countdown: Countdown, now: int, by: str) -> Tick | None:
    """The tick to store next, if it is due at `now`; `by` is the replica that would store it."""
    remaining, due, last = next_remaining(countdown), next_due(countdown), countdown.last
    if remaining is None or due is None or due > now or not isinstance(last, Known):
        return None
    return following(Tick, last, by=by, remaining=remaining, due_at=due, emitted=now)


def start(countdown: Countdown, request: Start, now: int, new_run: str, by: str) -> Started:
    """The event that starts the run: `new_run`, if the request names none.

    If the request names the room's current or last run, it is repeated: the event has happened.

    Raises RunUnderWay if another run is under way, NotUnderstood if that can't be known, OtherTerms
    if the same run has other terms, RequestError if `starts_at` is out of range.
    """
    last, run = countdown.last, request.run or new_run
    if isinstance(last, Unknown):
        raise NotUnderstood(last)
    if last is not None and last.run == run:
        return _started_before(last, request)
    if last is not None and countdown.is_under_way:
        raise RunUnderWay(last)
    starts_at = now if request.starts_at is None else request.starts_at
    if starts_at > now + MAX_LEAD_MS:
        raise RequestError(f"starts_at: {starts_at} is more than 24 hours ahead")
    if starts_at < now - MAX_LAG_MS:
        raise RequestError(f"starts_at: {starts_at} has passed")
    return Started(
        room=request.room,
        run=run,
        from_=request.from_,
        interval_ms=request.interval_ms,
        starts_at=starts_at,
        by=by,
        after_zero=request.after_zero,
        warning=request.warning,
        danger=request.danger,
    )


def _started_before(last: Known, request: Start) -> Started:
    """The `started` event of the run that `last` is of. A request without `starts_at` agrees with
    any, and every request with a run whose terms were changed since."""
    starts_at = last.starts_at if request.starts_at is None else request.starts_at
    asked = (request.from_, request.interval_ms, starts_at, *_phases(request))
    terms = (last.from_, last.interval_ms, last.starts_at, *_phases(last))
    if last.change is None and asked != terms:
        raise OtherTerms(last)
    return following(Started, last)


def _phases(terms: Terms | Start) -> tuple[str | int | None, ...]:
    return terms.after_zero, terms.warning, terms.danger


def cancel(countdown: Countdown, request: Cancel, by: str) -> Cancelled:
    """The event that ends the run under way, or one that counts on after zero.

    If the request names a run that is cancelled already, it is repeated: the event has happened.

    Raises NothingUnderWay, RunUnderWay if another run is under way than the one that the request
    names, NotUnderstood if that can't be known.
    """
    last = countdown.last
    if isinstance(last, Cancelled) and last.run == request.run:
        return last
    if isinstance(last, Tick) and last.after_zero == "count" and request.run in (None, last.run):
        return following(Cancelled, last, by=by, remaining=last.remaining, held_at=None)
    last = under_way(countdown, request.run)
    return following(Cancelled, last, by=by, remaining=last.remaining, held_at=None)


def has_happened(countdown: Countdown, event: Started | Change | Cancelled) -> bool:
    """Whether the event of a command is in the room's history: then it is the answer as it is."""
    last = countdown.last
    if not isinstance(last, Known) or last.run != event.run:
        return False
    match event:
        case Started():
            return True
        case Cancelled():
            return isinstance(last, Cancelled)
        case _:
            return last.change == event.change


def under_way(countdown: Countdown, run: str | None) -> Known:
    """The last event of the run under way, if it is `run`, or `run` is None.

    Raises NothingUnderWay, RunUnderWay if another run is, NotUnderstood if that can't be known.
    """
    last = countdown.last
    if isinstance(last, Unknown):
        raise NotUnderstood(last)
    if last is None or not countdown.is_under_way:
        raise NothingUnderWay
    if run not in (None, last.run):
        raise RunUnderWay(last)
    return last


def following(kind: type[E], last: Terms, **fields: object) -> E:
    """An event of the run that `last` is of, with its terms but for `fields`."""
    return kind(**{name: getattr(last, name) for name in _TERMS} | fields)


_TERMS = [field.name for field in msgspec.structs.fields(Terms)]
