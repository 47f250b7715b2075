"""What can have happened in a room: a run was started, held, resumed, adjusted, recycled or
cancelled, or a tick was emitted.

A newer version may have more: an event of valid form and unknown type is `Unknown`, which is
neither garbage nor anything to act upon.
"""

from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta, Struct, field

from .subjects import RoomName

RunId = Annotated[str, Meta(min_length=1, max_length=36, description="Opaque id of a run.")]
MAX_FROM = 8_640_000
"""A hundred days of seconds."""
DENSE = 86_400
"""Up to here every number of a run has a tick; above, those that are multiples of SPARSE."""
SPARSE = 3_600
From = Annotated[int, Meta(ge=1, le=MAX_FROM, description="The number that the run counts from.")]
IntervalMs = Annotated[
    int, Meta(ge=100, le=60_000, description="Milliseconds from one tick to the next.")
]
EpochMs = Annotated[int, Meta(ge=0, le=1 << 53, description="Milliseconds since the Unix epoch.")]
Remaining = Annotated[int, Meta(ge=0, le=MAX_FROM, description="The number that a tick shows.")]
Left = Annotated[
    int, Meta(ge=1, le=MAX_FROM, description="The number before the next tick of a run.")
]
ChangeId = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=36,
        description="Opaque id of a hold, resume, adjustment or recycle.",
    ),
]
AfterZero = Annotated[
    Literal["stop", "count"],
    Meta(description="Whether screens stop at zero, or count on from there; no ticks are stored."),
]
WarningFrom = Annotated[
    int, Meta(ge=0, le=MAX_FROM, description="The first number of the warning.")
]
DangerFrom = Annotated[int, Meta(ge=0, le=MAX_FROM, description="The first number of the danger.")]
Seconds = Annotated[
    int, Meta(ge=-MAX_FROM, le=MAX_FROM, description="How much later zero is; earlier if negative.")
]
Instance = Annotated[str, Meta(max_length=256, description="The scheduler that stored it.")]


class PlannedHold(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A hold at a number of a run: it begins with that number's tick."""

    at: Annotated[int, Meta(ge=1, le=MAX_FROM, description="The number.")]
    for_ms: (
        Annotated[
            int,
            Meta(
                ge=100,
                le=604_800_000,
                description="For how many milliseconds; null is until the run is resumed.",
            ),
        ]
        | None
    ) = None


Holds = Annotated[
    tuple[PlannedHold, ...],
    Meta(max_length=16, description="The planned holds, each at a number of its own."),
]


class Trace(Struct, frozen=True, kw_only=True):
    """The trace of the request that started a run, for whoever stores the run's next event."""

    parent: Annotated[str, Meta(max_length=256, description="A W3C traceparent.")]
    until: Annotated[EpochMs, Meta(description="Until when what is due belongs to this trace.")]


class Terms(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The terms of a run, which each of its events carries: one event describes the whole run.

    A hold, a resume, an adjustment and a recycle change them, and with them when each tick is due.
    """

    room: RoomName
    run: RunId
    from_: From = field(name="from")
    interval_ms: IntervalMs
    starts_at: EpochMs
    by: Instance
    held_at: Annotated[EpochMs, Meta(description="Since when the run is held.")] | None = None
    held_until: (
        Annotated[EpochMs, Meta(description="When a held run goes on by itself.")] | None
    ) = None
    holds: Holds = ()
    change: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=48,
                description="The last change of these terms: its kind, a colon, and its id.",
            ),
        ]
        | None
    ) = None
    after_zero: AfterZero = "stop"
    warning: WarningFrom | None = None
    danger: DangerFrom | None = None
    trace: Trace | None = None

    @property
    def zero_at(self) -> int:
        """When the tick 0 is to be emitted, in milliseconds since the Unix epoch."""
        return self.due(0)

    def due(self, remaining: int) -> int:
        """When the tick `remaining` is to be emitted, in milliseconds since the Unix epoch."""
        return self.starts_at + (self.from_ - remaining) * self.interval_ms

    def hold_at(self, remaining: int) -> PlannedHold | None:
        """The hold that is planned at a number."""
        return next((hold for hold in self.holds if hold.at == remaining), None)


class Started(Terms, frozen=True, kw_only=True, tag_field="type", tag="started"):
    """A run was accepted; its first tick is due at `starts_at`."""

    @property
    def remaining(self) -> None:
        """No tick was emitted yet."""


class Held(Terms, frozen=True, kw_only=True, tag_field="type", tag="held"):
    """A run was held at `held_at`; `remaining` is its last tick's, null before the first. `at` is
    when the end of a planned hold was taken away."""

    remaining: Left | None
    at: EpochMs | None = None


class Resumed(Terms, frozen=True, kw_only=True, tag_field="type", tag="resumed"):
    """A run goes on at `at`, as much later as it was held; `remaining` as before the hold."""

    remaining: Left | None
    at: EpochMs


class Adjusted(Terms, frozen=True, kw_only=True, tag_field="type", tag="adjusted"):
    """From `at` on a run has more time, or less; `remaining` is the number before its next tick,
    null before the first."""

    remaining: Left | None
    at: EpochMs
    seconds: Seconds


class Recycled(Terms, frozen=True, kw_only=True, tag_field="type", tag="recycled"):
    """From `at` on a held run stands at the number `remaining`, and is held."""

    remaining: Left
    at: EpochMs


class Tick(Terms, frozen=True, kw_only=True, tag_field="type", tag="tick"):
    """One number of a run; the run is finished by the tick with `remaining` 0, and held by one at
    which a hold is planned."""

    remaining: Remaining
    due_at: EpochMs = field(name="due")
    emitted: EpochMs


class Cancelled(Terms, frozen=True, kw_only=True, tag_field="type", tag="cancelled"):
    """A run was ended before zero; `remaining` is its last tick's, null before the first."""

    remaining: Remaining | None


class Unknown(Struct, frozen=True, kw_only=True):
    """An event of a type that only a newer version knows; `payload` is its JSON as it came."""

    type: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
    room: RoomName
    run: RunId
    from_: From | None = field(name="from", default=None)
    interval_ms: IntervalMs | None = None
    starts_at: EpochMs | None = None
    by: Instance = ""
    payload: bytes = b""


Change = Held | Resumed | Adjusted | Recycled
Known = Started | Tick | Change | Cancelled
Event = Known | Unknown


class EventError(ValueError):
    """A payload that is not an event of the room it was published to."""


_decoder = msgspec.json.Decoder(Known)
_unknown = msgspec.json.Decoder(Unknown)
_encoder = msgspec.json.Encoder()
_types = {str(kind.__struct_config__.tag) for kind in get_args(Known)}


def encode(event: Event) -> bytes:
    """The event as JSON, as it is published."""
    return event.payload if isinstance(event, Unknown) else _encoder.encode(event)


def decode(payload: bytes, room: str) -> Event:
    """Read an event that was published to `room`'s subject.

    Unknown fields are ignored. Raises EventError naming what is wrong.
    """
    try:
        event: Event = _decoder.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        event = _decode_unknown(payload, error)
    if event.room != room:
        raise EventError(f"it names room {event.room!r}, not {room!r} - at `$.room`")
    if isinstance(event, Started | Unknown):
        return event
    remaining = event.remaining
    if remaining is not None and remaining > event.from_:
        raise EventError(f"{remaining} is above `from`, {event.from_} - at `$.remaining`")
    return event


def _decode_unknown(payload: bytes, reason: Exception) -> Unknown:
    """The event of an unknown type; raises EventError with `reason` if it is not an event."""
    try:
        event = _unknown.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise EventError(str(reason)) from None
    if event.type in _types:
        raise EventError(str(reason))
    return msgspec.structs.replace(event, payload=payload)
