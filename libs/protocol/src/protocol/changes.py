"""The rules of changing a run: holding it, resuming it, giving it more time or less.

The terms of a run say when each of its numbers is due. A hold notes when it began, and nothing is
due any more; a resume moves all the due times by as long as it lasted; an adjustment moves them by
so many seconds. So no due time is ever a sum of earlier delays.
"""

from .events import MAX_FROM, Adjusted, Held, Known, Resumed, Tick
from .refusals import NotHeld, OutOfRange
from .requests import Adjust, Hold, Resume
from .rules import Countdown, decide, following, under_way


def hold(countdown: Countdown, request: Hold, now: int, new_id: str, by: str) -> Held | Tick:
    """The event that holds the run; a tick that is due at `now` has to be stored before it.

    If the run is held already, that is repeated: the event has happened.

    Raises NothingUnderWay, RunUnderWay if another run is under way than the one that the request
    names, NotUnderstood if that can't be known.
    """
    change = f"hold:{request.id or new_id}"
    last = _changed_by(change, countdown, request.run) or under_way(countdown, request.run)
    if last.held_at is not None or last.change == change:
        return following(Held, last, remaining=last.remaining)
    if (tick := decide(countdown, now, by)) is not None:
        return tick
    held_at = _not_before(last, now)
    return following(Held, last, by=by, remaining=last.remaining, held_at=held_at, change=change)


def resume(countdown: Countdown, request: Resume, now: int, new_id: str, by: str) -> Resumed:
    """The event that lets the held run go on at `now`: every number is due as much later as the run
    was held.

    If the run was resumed by this request, that is repeated: the event has happened.

    Raises NotHeld if the run counts, and what `hold` raises.
    """
    change = f"resume:{request.id or new_id}"
    last = _changed_by(change, countdown, request.run) or under_way(countdown, request.run)
    if last.change == change:
        at = last.at if isinstance(last, Resumed) else now
        return following(Resumed, last, remaining=_left(last), at=at)
    if last.held_at is None:
        raise NotHeld(last)
    at = max(now, last.held_at)
    return following(
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
    last = _changed_by(change, countdown, request.run) or under_way(countdown, request.run)
    if last.change == change:
        at = last.at if isinstance(last, Adjusted) else now
        return following(Adjusted, last, remaining=_left(last), at=at, seconds=seconds)
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
    return following(
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
