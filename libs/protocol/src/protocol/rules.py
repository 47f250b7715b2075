"""The rules of a room: what its last event means, what may happen next and when.

Pure: no clock, no bus. A countdown is what its room's last event says, so `apply` is all there is
to fold, and any replica with a `Countdown` can decide. The bus keeps their decisions consistent: it
stores an event only if `seq` is still the last of the room's subject.

The terms of a run say when each of its numbers is due. A hold notes when it began, and nothing is
due any more; a resume moves all the due times by as long as it lasted; an adjustment moves them by
so many seconds. So no due time is ever a sum of earlier delays.
"""

from typing import TypeVar

import msgspec
from msgspec import Struct

from .events import (
    MAX_FROM,
    Adjusted,
    Cancelled,
    Change,
    Event,
    Held,
    Known,
    Resumed,
    Started,
    Terms,
    Tick,
    Unknown,
)
from .refusals import (
    NotHeld,
    NothingUnderWay,
    NotUnderstood,
    OtherTerms,
    OutOfRange,
    RunUnderWay,
)
from .requests import MAX_LAG_MS, MAX_LEAD_MS, Adjust, Cancel, Hold, RequestError, Resume, Start

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
    return _next(Tick, last, by=by, remaining=remaining, due_at=due, emitted=now)


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
    return _next(Started, last)


def _phases(terms: Terms | Start) -> tuple[str | int | None, ...]:
    return terms.after_zero, terms.warning, terms.danger


def hold(countdown: Countdown, request: Hold, now: int, new_id: str, by: str) -> Held | Tick:
    """The event that holds the run; a tick that is due at `now` has to be stored before it.

    If the run is held already, that is repeated: the event has happened.

    Raises NothingUnderWay, RunUnderWay if another run is under way than the one that the request
    names, NotUnderstood if that can't be known.
    """
    change = f"hold:{request.id or new_id}"
    last = _changed_by(change, countdown, request.run) or _under_way(countdown, request.run)
    if last.held_at is not None or last.change == change:
        return _next(Held, last, remaining=last.remaining)
    if (tick := decide(countdown, now, by)) is not None:
        return tick
    held_at = _not_before(last, now)
    return _next(Held, last, by=by, remaining=last.remaining, held_at=held_at, change=change)


def resume(countdown: Countdown, request: Resume, now: int, new_id: str, by: str) -> Resumed:
    """The event that lets the held run go on at `now`: every number is due as much later as the run
    was held.

    If the run was resumed by this request, that is repeated: the event has happened.

    Raises NotHeld if the run counts, and what `hold` raises.
    """
    change = f"resume:{request.id or new_id}"
    last = _changed_by(change, countdown, request.run) or _under_way(countdown, request.run)
    if last.change == change:
        at = last.at if isinstance(last, Resumed) else now
        return _next(Resumed, last, remaining=_left(last), at=at)
    if last.held_at is None:
        raise NotHeld(last)
    at = max(now, last.held_at)
    return _next(
        Resumed,
        last,
        by=by,
        remaining=last.remaining,
        at=at,
        starts_at=last.starts_at + at - last.held_at,
        held_at=None,
        change=change,
    )


def adjust(
    countdown: Countdown, request: Adjust, now: int, new_id: str, by: str
) -> Adjusted | Tick:
    """The event that gives the run more time, or less, from `now` on; a tick that is due at `now`
    has to be stored before it.

    With less time than is left, zero is due at once, also if the run was held. If this request was
    carried out already, that is repeated: the event has happened.

    Raises OutOfRange if it would be a run from more than MAX_FROM, or of no number before it has
    begun; and what `hold` raises.
    """
    change, seconds = f"adjust:{request.id or new_id}", request.seconds
    last = _changed_by(change, countdown, request.run) or _under_way(countdown, request.run)
    if last.change == change:
        at = last.at if isinstance(last, Adjusted) else now
        return _next(Adjusted, last, remaining=_left(last), at=at, seconds=seconds)
    if (tick := decide(countdown, now, by)) is not None:
        return tick
    at, held_at, interval_ms = _not_before(last, now), last.held_at, last.interval_ms
    zero_at = last.zero_at + 1000 * seconds
    if last.remaining is None:
        remaining, from_ = None, (zero_at - last.starts_at) // interval_ms
        if from_ < 1:
            raise OutOfRange(f"seconds: {seconds} leaves nothing of the run")
    else:
        if zero_at <= (held_at or at):
            zero_at, held_at = at, None
        left = zero_at - (held_at or at)
        remaining = max(1, -(-left // interval_ms))
        from_ = max(remaining, last.from_ + (zero_at - last.zero_at) // interval_ms)
    if from_ > MAX_FROM:
        raise OutOfRange(f"seconds: {seconds} makes it a run from more than {MAX_FROM}")
    return _next(
        Adjusted,
        last,
        by=by,
        remaining=remaining,
        at=at,
        seconds=seconds,
        from_=from_,
        starts_at=zero_at - from_ * interval_ms,
        held_at=held_at,
        change=change,
    )


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
        return _next(Cancelled, last, by=by, remaining=last.remaining, held_at=None)
    last = _under_way(countdown, request.run)
    return _next(Cancelled, last, by=by, remaining=last.remaining, held_at=None)


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


def _changed_by(change: str, countdown: Countdown, run: str | None) -> Known | None:
    """The room's last event, if `change` was the last one of its run: then it has happened."""
    last = countdown.last
    if isinstance(last, Known) and last.change == change and run in (None, last.run):
        return last
    return None


def _left(last: Known) -> int | None:
    """The number before the next tick, or before zero if that has come since."""
    return None if last.remaining is None else max(1, last.remaining)


def _not_before(last: Known, now: int) -> int:
    """Now, or when the last tick was due, if it was stored by a scheduler whose clock is ahead."""
    return now if last.remaining is None else max(now, last.due(last.remaining))


def _under_way(countdown: Countdown, run: str | None) -> Known:
    """The last event of the run under way, if it is `run`, or `run` is None."""
    last = countdown.last
    if isinstance(last, Unknown):
        raise NotUnderstood(last)
    if last is None or not countdown.is_under_way:
        raise NothingUnderWay
    if run not in (None, last.run):
        raise RunUnderWay(last)
    return last


def _next(kind: type[E], last: Terms, **fields: object) -> E:
    """An event of the run that `last` is of, with its terms but for `fields`."""
    return kind(**{name: getattr(last, name) for name in _TERMS} | fields)


_TERMS = [field.name for field in msgspec.structs.fields(Terms)]
