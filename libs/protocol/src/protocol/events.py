"""What can have happened in a room: a run started, a tick was emitted, a run was cancelled.

A newer version may have more: an event of valid form and unknown type is `Unknown`, which is
neither garbage nor anything to act upon.
"""

from typing import Annotated

import msgspec
from msgspec import Meta, Struct, field

from .subjects import RoomName

RunId = Annotated[str, Meta(min_length=1, max_length=36, description="Opaque id of a run.")]
From = Annotated[int, Meta(ge=1, le=86_400, description="The number that the run counts from.")]
IntervalMs = Annotated[
    int, Meta(ge=100, le=60_000, description="Milliseconds from one tick to the next.")
]
EpochMs = Annotated[int, Meta(ge=0, le=1 << 53, description="Milliseconds since the Unix epoch.")]
Remaining = Annotated[int, Meta(ge=0, le=86_400, description="The number that a tick shows.")]
Instance = Annotated[str, Meta(max_length=256, description="The scheduler that stored it.")]


class Terms(Struct, frozen=True, kw_only=True):
    """The terms of a run, which each of its events carries: one event describes the whole run."""

    room: RoomName
    run: RunId
    from_: From = field(name="from")
    interval_ms: IntervalMs
    starts_at: EpochMs
    by: Instance

    def due(self, remaining: int) -> int:
        """When the tick `remaining` is to be emitted, in milliseconds since the Unix epoch."""
        return self.starts_at + (self.from_ - remaining) * self.interval_ms


class Started(Terms, frozen=True, kw_only=True, tag_field="type", tag="started"):
    """A run was accepted; its first tick is due at `starts_at`."""


class Tick(Terms, frozen=True, kw_only=True, tag_field="type", tag="tick"):
    """One number of a run; the run is finished by the tick with `remaining` 0."""

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


Known = Started | Tick | Cancelled
Event = Known | Unknown


class EventError(ValueError):
    """A payload that is not an event of the room it was published to."""


_decoder = msgspec.json.Decoder(Known)
_unknown = msgspec.json.Decoder(Unknown)
_encoder = msgspec.json.Encoder()
_types = {str(kind.__struct_config__.tag) for kind in (Started, Tick, Cancelled)}


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
