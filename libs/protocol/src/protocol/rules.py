"""The rules of a room: what its last event means, what may happen next and when.

Pure: no clock, no bus. A countdown is what its room's last event says, so `apply` is all there is
to fold, and any replica with a `Countdown` can decide. The bus keeps their decisions consistent: it
stores an event only if `seq` is still the last of the room's subject.
"""

from msgspec import Struct

from .events import Cancelled, Event, Started, Tick, Unknown
from .requests import MAX_LAG_MS, MAX_LEAD_MS, RequestError, Start


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
    """A start was refused: the room has a run already; `last` is the room's last event."""

    def __init__(self, last: Event) -> None:
        super().__init__(f"a run is under way in room {last.room!r}")
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


def start(countdown: Countdown, request: Start, now: int, run: str, by: str) -> Started:
    """The event that starts `run` as asked.

    Raises RunUnderWay if the room has a run already, NotUnderstood if that can't be known,
    RequestError if `starts_at` is out of range.
    """
    if isinstance(countdown.last, Unknown):
        raise NotUnderstood(countdown.last)
    if countdown.last is not None and countdown.is_counting:
        raise RunUnderWay(countdown.last)
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


def cancel(countdown: Countdown, by: str) -> Cancelled:
    """The event that ends the run under way.

    Raises NothingToCancel if there is none, NotUnderstood if that can't be known.
    """
    last = countdown.last
    if isinstance(last, Unknown):
        raise NotUnderstood(last)
    if last is None or not countdown.is_counting:
        raise NothingToCancel
    return Cancelled(
        room=last.room,
        run=last.run,
        from_=last.from_,
        interval_ms=last.interval_ms,
        starts_at=last.starts_at,
        by=by,
        remaining=last.remaining if isinstance(last, Tick) else None,
    )
