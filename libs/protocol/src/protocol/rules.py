"""The rules of a room: what its last event means, what may happen next and when.

Pure: no clock, no bus. A countdown is what its room's last event says, so `apply` is all there is
to fold, and any replica with a `Countdown` can decide. The bus keeps their decisions consistent: it
stores an event only if `seq` is still the last of the room's subject.
"""

from typing import TypeVar

import msgspec
from msgspec import Struct

from .events import (
    DENSE,
    SPARSE,
    Adjusted,
    Cancelled,
    Change,
    Event,
    Held,
    Known,
    Recycled,
    Resumed,
    Started,
    Terms,
    Tick,
    Unknown,
)
from .refusals import NothingUnderWay, NotUnderstood, OtherTerms, RunUnderWay
from .requests import MAX_LAG_MS, MAX_LEAD_DAYS, MAX_LEAD_MS, Cancel, RequestError, Start

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
    """The number of the next tick; None if no run is under way.

    Far from zero few numbers have a tick, but each one at which a hold is planned does.
    """
    last = countdown.last
    if not countdown.is_under_way or not isinstance(last, Known):
        return None
    if last.remaining is None:
        return last.from_
    below = last.remaining - 1
    if below > DENSE:
        below -= below % SPARSE
    return max([below, *(hold.at for hold in last.holds if hold.at < last.remaining)])


def next_due(countdown: Countdown, max_hold_ms: int | None = None) -> int | None:
    """When the next tick is due, a held run goes on by itself, or one that is held without an end
    has been for `max_hold_ms`, in milliseconds since the Unix epoch.

    None if no run is under way, or if it may be held for ever.
    """
    remaining, last = next_remaining(countdown), countdown.last
    if remaining is None or not isinstance(last, Known):
        return None
    if last.held_at is None:
        return last.due(remaining)
    if last.held_until is not None or max_hold_ms is None:
        return last.held_until
    since = last.at if isinstance(last, Held | Adjusted | Recycled) else None
    return (since or last.held_at) + max_hold_ms


def decide(
    countdown: Countdown, now: int, by: str, max_hold_ms: int | None = None
) -> Tick | Resumed | Cancelled | None:
    """What to store next, if it is due at `now`: a tick, the end of a planned hold, or that of a
    run which has been held without an end for `max_hold_ms`. `by` is the replica that would store
    it.

    The tick of a number at which a hold is planned begins it: both are one event.
    """
    remaining, due = next_remaining(countdown), next_due(countdown, max_hold_ms)
    last = countdown.last
    if remaining is None or due is None or due > now or not isinstance(last, Known):
        return None
    if last.held_at is not None:
        return _cancelled(last, by) if last.held_until is None else resumed(last, due, by=by)
    tick = following(Tick, last, by=by, remaining=remaining, due_at=due, emitted=now)
    hold = last.hold_at(remaining)
    if hold is None:
        return tick
    held_until = None if hold.for_ms is None else due + hold.for_ms
    return msgspec.structs.replace(tick, held_at=due, held_until=held_until)


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
        raise RequestError(f"starts_at: {starts_at} is more than {MAX_LEAD_DAYS} days ahead")
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
        holds=request.holds,
    )


def _started_before(last: Known, request: Start) -> Started:
    """The `started` event of the run that `last` is of, if that is what the request asks for.

    A request without `starts_at` agrees with any, and every request with one that planned holds
    have moved, or with a run whose terms were changed since.
    """
    is_then = bool(last.holds) or request.starts_at in (None, last.starts_at)
    is_same = all(getattr(request, name) == getattr(last, name) for name in _ASKED)
    if last.change is None and not (is_then and is_same):
        raise OtherTerms(last)
    return following(Started, last)


_ASKED = ("from_", "interval_ms", "after_zero", "warning", "danger", "holds")


def cancel(countdown: Countdown, request: Cancel, by: str) -> Cancelled:
    """The event that ends the run under way, or one that counts on after zero.

    If the request names a run that is cancelled already, it is repeated: the event has happened.

    Raises NothingUnderWay, RunUnderWay if another run is under way than the one that the request
    names, NotUnderstood if that can't be known.
    """
    match countdown.last:
        case Cancelled() as last if last.run == request.run:
            return last
        case Tick(after_zero="count") as last if request.run in (None, last.run):
            return _cancelled(last, by)
        case _:
            return _cancelled(under_way(countdown, request.run), by)


def _cancelled(last: Known, by: str) -> Cancelled:
    return following(
        Cancelled, last, by=by, remaining=last.remaining, held_at=None, held_until=None
    )


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


def resumed(last: Known, at: int, **fields: object) -> Resumed:
    """The event that lets a held run go on at `at`, or when it was held if that is later: every
    number is due as much later as the run was held."""
    held_at = last.held_at or at
    at = max(at, held_at)
    starts_at = last.starts_at + at - held_at
    released = {"at": at, "starts_at": starts_at, "held_at": None, "held_until": None}
    return following(Resumed, last, remaining=last.remaining, **released, **fields)


def following(kind: type[E], last: Terms, **fields: object) -> E:
    """An event of the run that `last` is of, with its terms but for `fields`."""
    return kind(**{name: getattr(last, name) for name in _TERMS} | fields)


_TERMS = [field.name for field in msgspec.structs.fields(Terms)]
