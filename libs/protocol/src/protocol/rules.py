"""The rules of a room: what its last event means, what may happen next and when.

Pure: no clock, no bus. A countdown is what its room's last event says, so `apply` is all there is
to fold, and any replica with a `Countdown` can decide. The bus keeps their decisions consistent: it
stores an event only if `seq` is still the last of the room's subject.
"""

from msgspec import Struct

from .events import Cancelled, Event, Known, Started, Tick, Unknown
from .requests import MAX_LAG_MS, MAX_LEAD_MS, Cancel, RequestError, Start


class Countdown(Struct, frozen=True):
    """A room's last event, if it is known, and the sequence of its subject's last entry."""

    seq: int = 0
    last: Event | None = None

    @property
    def is_counting(self) -> bool:
        """Whether a run is under way: accepted, not at zero, not cancelled."""
        match self.last:
            case Started():
                return True
            case Tick(remaining=remaining):
                return remaining > 0
            case _:
                return False


class RunUnderWay(Exception):
    """A command was refused: another run is under way; `last` is the room's last event."""

    def __init__(self, last: Event) -> None:
        super().__init__(f"run {last.run!r} is under way in room {last.room!r}")
        self.last = last


class OtherTerms(Exception):
    """A start was refused: its run was started before, with other terms; `last` is the room's last
    event."""

    def __init__(self, last: Event) -> None:
        super().__init__(f"run: {last.run!r} was started before, with other terms")
        self.last = last


class NothingToCancel(Exception):
    """A cancel was refused: nothing is under way in the room."""


class NotUnderstood(Exception):
    """A command was refused: the room's last event is of a type that only a newer version knows."""

    def __init__(self, last: Unknown) -> None:
        super().__init__(
            f"the last event of room {last.room!r} is {last.type!r}: a newer version's business"
        )


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
    return Countdown(seq, countdown.last if seq or countdown.is_counting else None)


def next_remaining(countdown: Countdown) -> int | None:
    """The number of the next tick; None if no run is under way."""
    match countdown.last:
        case Started() as started:
            return started.from_
        case Tick(remaining=remaining) if remaining > 0:
            return remaining - 1
        case _:
            return None


def next_due(countdown: Countdown) -> int | None:
    """When the next tick is to be emitted, in milliseconds since the Unix epoch."""
    remaining = next_remaining(countdown)
    if remaining is None or not isinstance(countdown.last, Started | Tick):
        return None
    return countdown.last.due(remaining)


def decide(countdown: Countdown, now: int, by: str) -> Tick | None:
    """The tick to store next, if it is due at `now`; `by` is the replica that would store it."""
    remaining, last = next_remaining(countdown), countdown.last
    if remaining is None or not isinstance(last, Started | Tick) or last.due(remaining) > now:
        return None
    return Tick(
        room=last.room,
        run=last.run,
        from_=last.from_,
        interval_ms=last.interval_ms,
        starts_at=last.starts_at,
        by=by,
        remaining=remaining,
        due_at=last.due(remaining),
        emitted=now,
    )


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
    if last is not None and countdown.is_counting:
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
    )


def _started_before(last: Known, request: Start) -> Started:
    """The `started` event of the run that `last` is of; a request without `starts_at` agrees with
    any."""
    starts_at = last.starts_at if request.starts_at is None else request.starts_at
    terms = (last.from_, last.interval_ms, last.starts_at)
    if (request.from_, request.interval_ms, starts_at) != terms:
        raise OtherTerms(last)
    return Started(
        room=last.room,
        run=last.run,
        from_=last.from_,
        interval_ms=last.interval_ms,
        starts_at=last.starts_at,
        by=last.by,
    )


def cancel(countdown: Countdown, request: Cancel, by: str) -> Cancelled:
    """The event that ends the run under way.

    If the request names a run that is cancelled already, it is repeated: the event has happened.

    Raises NothingToCancel if no run is under way, RunUnderWay if it is not the one that the request
    names, NotUnderstood if that can't be known.
    """
    last = countdown.last
    if isinstance(last, Unknown):
        raise NotUnderstood(last)
    if isinstance(last, Cancelled) and last.run == request.run:
        return last
    if last is None or not countdown.is_counting:
        raise NothingToCancel
    if request.run not in (None, last.run):
        raise RunUnderWay(last)
    return Cancelled(
        room=last.room,
        run=last.run,
        from_=last.from_,
        interval_ms=last.interval_ms,
        starts_at=last.starts_at,
        by=by,
        remaining=last.remaining if isinstance(last, Tick) else None,
    )


def has_happened(countdown: Countdown, event: Started | Cancelled) -> bool:
    """Whether the event of a command is in the room's history: then it is the answer as it is."""
    last = countdown.last
    if last is None or last.run != event.run:
        return False
    return isinstance(event, Started) or isinstance(last, Cancelled)
