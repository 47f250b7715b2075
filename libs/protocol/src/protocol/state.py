"""What a room shows, as viewers and whoever asks are told it: made of its last event alone."""

from typing import Literal

from msgspec import Struct, field

from .events import AfterZero, Cancelled, EpochMs, From, Holds, IntervalMs, Tick, Unknown
from .rules import Countdown

Status = Literal["idle", "scheduled", "running", "held", "finished", "cancelled", "unknown"]
"""`unknown`: the room's last event is of a type that only a newer version knows."""


class State(Struct, frozen=True, kw_only=True):
    """What a room shows; all but `status` is null while it is idle."""

    status: Status = "idle"
    run: str | None = None
    from_: From | None = field(name="from", default=None)
    interval_ms: IntervalMs | None = None
    starts_at: EpochMs | None = None
    remaining: int | None = None
    held_at: EpochMs | None = None
    """Since when the run is held."""
    held_until: EpochMs | None = None
    """When a held run goes on by itself."""
    finished_at: EpochMs | None = None
    """When the zero of a finished run was due."""
    after_zero: AfterZero = "stop"
    warning: int | None = None
    danger: int | None = None
    change: str | None = None
    """The last hold, resume, adjustment or recycle of the run."""
    holds: Holds = ()


def state_of(room: Countdown) -> State:
    """The state of a room as viewers get it."""
    last = room.last
    if last is None:
        return State()
    if isinstance(last, Unknown):
        return State(
            status="unknown",
            run=last.run,
            from_=last.from_,
            interval_ms=last.interval_ms,
            starts_at=last.starts_at,
        )
    status: Status
    match last:
        case Cancelled():
            status = "cancelled"
        case Tick(remaining=0):
            status = "finished"
        case _ if last.held_at is not None:
            status = "held"
        case _:
            status = "scheduled" if last.remaining is None else "running"
    return State(
        status=status,
        run=last.run,
        from_=last.from_,
        interval_ms=last.interval_ms,
        starts_at=last.starts_at,
        remaining=last.remaining,
        held_at=last.held_at,
        held_until=last.held_until,
        finished_at=last.zero_at if status == "finished" else None,
        after_zero=last.after_zero,
        warning=last.warning,
        danger=last.danger,
        change=last.change,
        holds=last.holds,
    )
