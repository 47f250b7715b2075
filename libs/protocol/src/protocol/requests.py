"""The requests of people and services: start, hold, resume, adjust, recycle or cancel a countdown;
read a room's state."""

from itertools import pairwise
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta, Struct, field

from .events import (
    AfterZero,
    ChangeId,
    DangerFrom,
    EpochMs,
    From,
    Holds,
    IntervalMs,
    Left,
    RunId,
    Seconds,
    WarningFrom,
)
from .subjects import DEFAULT_ROOM, RoomName

MAX_LEAD_DAYS = 100
MAX_LEAD_MS = MAX_LEAD_DAYS * 24 * 60 * 60 * 1000
"""How far ahead a run may be scheduled, in milliseconds."""
MAX_LAG_MS = 1000
"""How far in the past `starts_at` may be, in milliseconds: network delay, the sender's clock."""


_Id = (
    Annotated[
        ChangeId,
        Meta(description="Asked again with the same id, it is done once; null makes one up."),
    ]
    | None
)


class Start(Struct, frozen=True, kw_only=True):
    """Start a run; without `starts_at` it starts now.

    A request that names its `run` may be repeated: it starts that run once.
    """

    room: RoomName = DEFAULT_ROOM
    from_: From = field(name="from", default=10)
    interval_ms: IntervalMs = 1000
    starts_at: (
        Annotated[EpochMs, Meta(description="First tick, up to 100 days ahead; null is now.")]
        | None
    ) = None
    run: (
        Annotated[RunId, Meta(description="The id of the run; null has the scheduler choose one.")]
        | None
    ) = None
    after_zero: AfterZero = "stop"
    warning: WarningFrom | None = None
    danger: DangerFrom | None = None
    holds: Holds = ()
    """In the order in which they come, whatever order they are given in."""

    def __post_init__(self) -> None:
        in_order = tuple(sorted(self.holds, key=lambda hold: hold.at, reverse=True))
        if in_order and in_order[0].at > self.from_:
            raise ValueError(f"holds: {in_order[0].at} is above `from`, {self.from_}")
        for hold, following in pairwise(in_order):
            if hold.at == following.at:
                raise ValueError(f"holds: {hold.at} is given twice")
        msgspec.structs.force_setattr(self, "holds", in_order)


class Hold(Struct, frozen=True, kw_only=True):
    """Hold the run that is under way; if it names a `run`, no other."""

    room: RoomName = DEFAULT_ROOM
    run: Annotated[RunId, Meta(description="The run to hold; null is any.")] | None = None
    id: _Id = None


class Resume(Struct, frozen=True, kw_only=True):
    """Let the held run go on; if it names a `run`, no other."""

    room: RoomName = DEFAULT_ROOM
    run: Annotated[RunId, Meta(description="The run to resume; null is any.")] | None = None
    id: _Id = None


class Adjust(Struct, frozen=True, kw_only=True):
    """Give the run that is under way more time, or less; if it names a `run`, no other."""

    room: RoomName = DEFAULT_ROOM
    run: Annotated[RunId, Meta(description="The run to adjust; null is any.")] | None = None
    id: _Id = None
    seconds: Seconds


class Recycle(Struct, frozen=True, kw_only=True):
    """Take the held run back to a number; if it names a `run`, no other."""

    room: RoomName = DEFAULT_ROOM
    run: Annotated[RunId, Meta(description="The run to recycle; null is any.")] | None = None
    id: _Id = None
    to: Left


class Cancel(Struct, frozen=True, kw_only=True):
    """Cancel the run that is under way; if it names a `run`, no other."""

    room: RoomName = DEFAULT_ROOM
    run: Annotated[RunId, Meta(description="The run to cancel; null is any.")] | None = None


class ReadRoom(Struct, frozen=True, kw_only=True):
    """Read a room's state."""

    room: RoomName = DEFAULT_ROOM


MAX_QUOTED = 200
"""The most characters of an error's text: it is a header of the answer."""


class RequestError(ValueError):
    """An invalid request; the text names the field and what is wrong with it."""


R = TypeVar("R", Start, Hold, Resume, Adjust, Recycle, Cancel, ReadRoom)


def decode(payload: bytes, kind: type[R]) -> R:
    """Decode a request of `kind`; an empty payload means the defaults.

    Raises RequestError naming the field.
    """
    try:
        return msgspec.json.decode(payload or b"{}", type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise RequestError(describe(error)) from None


def describe(error: Exception) -> str:
    """Describe a decoding error in one line: which field is wrong, and why. It may quote what was
    sent, so a long one is cut."""
    what, separator, path = str(error).rpartition(" - at `$")
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if not separator:
        return _cut(path)
    return f"{_cut(path.strip('.`'))}: {_cut(what)}"


def _cut(text: str) -> str:
    return text if len(text) <= MAX_QUOTED else f"{text[:MAX_QUOTED]}…"
