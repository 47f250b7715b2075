"""The rules of changing a run: holding it, resuming it, giving it more time or less, recycling it.

The terms of a run say when each of its numbers is due. A hold notes when it began, and nothing is
due any more; a resume moves all the due times by as long as it lasted; an adjustment moves them by
so many seconds; a recycle moves them so that the hold began with another number. So no due time is
ever a sum of earlier delays.

What was due before a change comes before it: whoever stores one has stored that (`rules.decide`).
"""

from .events import MAX_FROM, Adjusted, Held, Known, Recycled, Resumed
from .refusals import NotHeld, OutOfRange
from .requests import Adjust, Hold, Recycle, Resume
from .rules import Countdown, following, resumed, under_way


def hold(countdown: Countdown, request: Hold, now: int, new_id: str, by: str) -> Held:
    """The event that holds the run, until it is resumed.

    If the run is held already, that is repeated: the event has happened; but of a planned hold the
    end is taken away.

    Raises NothingUnderWay, RunUnderWay if another run is under way than the one that the request
    names, NotUnderstood if that can't be known.
    """
    change = f"hold:{request.id or new_id}"
    last = _changed_by(change, countdown, request.run) or under_way(countdown, request.run)
    is_held = last.held_at is not None and last.held_until is None
    if is_held or last.change == change:
        at = last.at if isinstance(last, Held) else None
        return following(Held, last, remaining=_left(last), at=at)
    return following(
        Held,
        last,
        by=by,
        remaining=last.remaining,
        at=None if last.held_at is None else _not_before(last, now),
        held_at=last.held_at or _not_before(last, now),
        held_until=None,
        change=change,
    )


def resume(countdown: Countdown, request: Resume, now: int, new_id: str, by: str) -> Resumed:
    """The event that lets the held run go on at `now`.

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
    return resumed(last, now, by=by, change=change)


def recycle(countdown: Countdown, request: Recycle, now: int, new_id: str, by: str) -> Recycled:
    """The event that takes the held run back, or ahead, to the number `to`: it stays held.

    If this request was carried out already, that is repeated: the event has happened.

    Raises NotHeld if the run counts, and what `hold` raises.
    """
    change, to = f"recycle:{request.id or new_id}", request.to
    last = _changed_by(change, countdown, request.run) or under_way(countdown, request.run)
    if last.change == change:
        at = last.at if isinstance(last, Recycled) else now
        return following(Recycled, last, remaining=_left(last) or last.from_, at=at)
    if last.held_at is None:
        raise NotHeld(last)
    from_ = max(last.from_, to)
    return following(
        Recycled,
        last,
        by=by,
        remaining=to,
        at=max(now, last.held_at),
        from_=from_,
        starts_at=last.held_at - (from_ - to) * last.interval_ms,
        held_until=None,
        change=change,
    )


def adjust(countdown: Countdown, request: Adjust, now: int, new_id: str, by: str) -> Adjusted:
    """The event that gives the run more time, or less, from `now` on.

    With less time than is left, zero is due at once, also if the run was held. If this request was
    carried out already, that is repeated: the event has happened.

    Raises OutOfRange if it would be a run from more than MAX_FROM, or of no number before it has
    begun; and what `hold` raises.
    """
    change, seconds = f"adjust:{request.id or new_id}", request.seconds
    last = _changed_by(change, countdown, request.run) or under_way(countdown, request.run)
    if last.change == change:
        at = last.at if isinstance(last, Adjusted) else now
        seconds = last.seconds if isinstance(last, Adjusted) else seconds
        return following(Adjusted, last, remaining=_left(last), at=at, seconds=seconds)
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
        held_until=None if held_at is None else last.held_until,
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
