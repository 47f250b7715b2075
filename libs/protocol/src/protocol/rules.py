"""The rules of a room: what its last event means, what may happen next and when.

Pure: no clock, no bus. A room is what its last event says, so `apply` is all there is to fold, and
whoever holds a `Room` can decide. That many deciders never contradict one another is the bus's
work: an event is stored only if the room's `seq` is still the last of its subject.
"""

from msgspec import Struct

from .events import Cancelled, Event, Started, Tick, Unknown
from .requests import MAX_LAG_MS, MAX_LEAD_MS, RequestError, Start


class Room(Struct, frozen=True):
    """A room as far as it is known: its last event and the sequence of its subject's last entry."""

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
    """A start was refused: the room already counts; `last` is the room's last event."""

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


def apply(room: Room, seq: int, event: Event | None) -> Room:
    """The room after the entry `seq` of its subject; `event` is None where that was no event.

    An entry that is already known changes nothing, so a fold may see entries again. One that is no
    event still counts for `seq`: the next append has to expect it.
    """
    if seq <= room.seq:
        return room
    return Room(seq, room.last if event is None else event)


def removed(room: Room, seq: int) -> Room:
    """The room after its last entries were removed from the stream, which now ends with `seq` for
    it; 0 is nothing.

    What has happened has happened: a run under way goes on, and is expected to follow what is left.
    Where nothing is left of a room without one, nothing is known of it.
    """
    return Room(seq, room.last if seq or room.is_counting else None)


def next_remaining(room: Room) -> int | None:
    """The number of the room's next tick; None where no run is under way."""
    match room.last:
        case Started() as started:
            return started.from_
        case Tick(remaining=remaining) if remaining > 0:
            return remaining - 1
        case _:
            return None


def next_due(room: Room) -> int | None:
    """When the room's next tick is to be emitted, in milliseconds since the Unix epoch."""
    remaining = next_remaining(room)
    if remaining is None or not isinstance(room.last, Started | Tick):
        return None
    return room.last.due(remaining)


def decide(room: Room, now: int, by: str) -> Tick | None:
    """The tick that is to be stored next, if it is due at `now`; `by` is who would store it."""
    remaining, last = next_remaining(room), room.last
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


def start(room: Room, request: Start, now: int, run: str, by: str) -> Started:
    """The event that starts `run` as asked.

    Raises RunUnderWay where the room already counts, NotUnderstood where that can't be known,
    RequestError where `starts_at` is out of range.
    """
    if isinstance(room.last, Unknown):
        raise NotUnderstood(room.last)
    if room.last is not None and room.is_counting:
        raise RunUnderWay(room.last)
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


def cancel(room: Room, by: str) -> Cancelled:
    """The event that ends the run under way.

    Raises NothingToCancel where there is none, NotUnderstood where that can't be known.
    """
    last = room.last
    if isinstance(last, Unknown):
        raise NotUnderstood(last)
    if last is None or not room.is_counting:
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
