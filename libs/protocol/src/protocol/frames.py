"""The frames between a viewer and a coordinator: one JSON object each."""

from functools import cache
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from .events import (
    Adjusted,
    Cancelled,
    EpochMs,
    Event,
    Held,
    Recycled,
    Remaining,
    Resumed,
    Started,
    Tick,
    Unknown,
)
from .state import State
from .subjects import RoomName

PROTOCOLS = {2: "v2.tminus", 1: "v1.tminus"}
"""The versions of this protocol and their WebSocket subprotocols, best first; `hello` says which it
is. Who offers none gets version 1, in which every tick repeats the terms of its run."""
MAX_INBOUND_BYTES = 1024
"""The largest frame that a viewer may send."""

Seq = Annotated[int, Meta(ge=0, description="The stream sequence of an event or a message.")]


class Hello(Struct, frozen=True, kw_only=True, tag_field="type", tag="hello"):
    """The first frame of a connection: the state, and how many frames are replayed after it."""

    protocol: int = 1
    room: RoomName
    epoch: str
    seq: Seq
    server_time: EpochMs
    instance: str
    viewers: int
    replayed: int
    complete: bool
    state: State


class StartedFrame(Started, frozen=True, kw_only=True, tag_field="type", tag="started"):
    """A `started` event with its place in the stream."""

    seq: Seq


class HeldFrame(Held, frozen=True, kw_only=True, tag_field="type", tag="held"):
    """A `held` event with its place in the stream."""

    seq: Seq


class ResumedFrame(Resumed, frozen=True, kw_only=True, tag_field="type", tag="resumed"):
    """A `resumed` event with its place in the stream."""

    seq: Seq


class AdjustedFrame(Adjusted, frozen=True, kw_only=True, tag_field="type", tag="adjusted"):
    """An `adjusted` event with its place in the stream."""

    seq: Seq


class RecycledFrame(Recycled, frozen=True, kw_only=True, tag_field="type", tag="recycled"):
    """A `recycled` event with its place in the stream."""

    seq: Seq


class TickFrame(Tick, frozen=True, kw_only=True, tag_field="type", tag="tick"):
    """A `tick` event with its place in the stream."""

    seq: Seq


class TickDelta(
    Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="tick"
):
    """In version 2 a tick that leaves the terms of its run as they were: all that is new.

    Only a connection with several rooms names the room.
    """

    room: RoomName | None = None
    seq: Seq
    remaining: Remaining


class CancelledFrame(Cancelled, frozen=True, kw_only=True, tag_field="type", tag="cancelled"):
    """A `cancelled` event with its place in the stream."""

    seq: Seq


class MessageFrame(Struct, frozen=True, kw_only=True, tag_field="type", tag="message"):
    """A message; `at` is when the stream stored it."""

    seq: Seq
    room: RoomName
    text: str
    at: EpochMs


class Viewers(Struct, frozen=True, kw_only=True, tag_field="type", tag="viewers"):
    """How many viewers the room has, all replicas summed; at most one a second."""

    room: RoomName
    count: int


class Pong(Struct, frozen=True, kw_only=True, tag_field="type", tag="pong"):
    """The answer to a ping; `server_time` has a fraction, in milliseconds."""

    id: int
    server_time: float


class Bye(Struct, frozen=True, kw_only=True, tag_field="type", tag="bye"):
    """The last frame before the server closes: reconnect after a random part of `reconnect_ms`."""

    reason: str
    reconnect_ms: int


class Shown(Struct, frozen=True, kw_only=True):
    """A number that a viewer shows, and since when, by the server's clock."""

    number: Remaining
    at: Annotated[float, Meta(ge=0, le=1 << 53)]


class Ping(Struct, frozen=True, kw_only=True, tag_field="type", tag="ping"):
    """All that a viewer may send; `seq` is the last entry that it shows, `error_ms` the bound of
    its clock's error, in milliseconds either way; `shown` is for the trace of its run."""

    id: Annotated[int, Meta(ge=0, le=1 << 53)]
    seq: Annotated[int, Meta(ge=0, le=1 << 53)] | None = None
    error_ms: Annotated[float, Meta(ge=0, le=1e9)] | None = None
    shown: Shown | None = None


class Screens(Struct, frozen=True, kw_only=True):
    """The viewers' reports: how many report, how many of them show the room's last sequence, and
    the largest `error_ms`; null if none reports."""

    reporting: int = 0
    in_step: int = 0
    worst_error_ms: float | None = None


class RoomReply(Struct, frozen=True, kw_only=True):
    """The reply of `coordinator.room`."""

    room: RoomName
    epoch: str
    seq: Seq
    viewers: int
    screens: Screens
    state: State


EventFrame = (
    StartedFrame
    | TickFrame
    | HeldFrame
    | ResumedFrame
    | AdjustedFrame
    | RecycledFrame
    | CancelledFrame
)
Frame = Hello | EventFrame | MessageFrame | Viewers | Pong | Bye | Ping
SENT = (
    Hello,
    StartedFrame,
    HeldFrame,
    ResumedFrame,
    AdjustedFrame,
    RecycledFrame,
    TickFrame,
    TickDelta,
    CancelledFrame,
    MessageFrame,
    Viewers,
    Pong,
    Bye,
)
"""What a coordinator sends a viewer."""


class FrameError(ValueError):
    """A viewer sent something other than a ping."""


class _InRoom(Struct):
    room: str


_encoder = msgspec.json.Encoder()
_in_room = msgspec.json.Decoder(_InRoom)
# As one of two types, since the tag of a single type would be optional in the payload.
_pings = msgspec.json.Decoder(Ping | Pong)


def encode(frame: Struct) -> bytes:
    """The frame's JSON."""
    return _encoder.encode(frame)


def encode_event(seq: int, event: Event) -> bytes:
    """The JSON of the frame of `event`, stored as `seq`: the event and its place."""
    if isinstance(event, Unknown):
        fields = msgspec.json.decode(event.payload, type=dict[str, msgspec.Raw])
        return _encoder.encode(fields | {"seq": seq})
    if event.trace is not None:  # no viewer's business
        event = msgspec.structs.replace(event, trace=None)
    return b'%s,"seq":%d}' % (_encoder.encode(event)[:-1], seq)


def room(json: bytes) -> str:
    """The room of a frame of version 1 that has one, from its JSON."""
    return _in_room.decode(json).room


def kind(frame: Struct) -> str:
    """The `type` of a frame or an event."""
    return frame.type if isinstance(frame, Unknown) else _tag(type(frame))


@cache
def _tag(frame: type[Struct]) -> str:
    return str(frame.__struct_config__.tag)


def decode_ping(payload: bytes) -> Ping:
    """Decode a viewer's frame; raises FrameError if it is not a ping."""
    try:
        ping = _pings.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise FrameError(str(error)) from None
    if not isinstance(ping, Ping):
        raise FrameError("a viewer may send pings only")
    return ping


def is_next_tick(event: Tick, previous: Event | None) -> bool:
    """Whether to who knows `previous` nothing is new in a tick but its number."""
    if previous is None or isinstance(previous, Unknown):
        return False
    # Every change within a run has an id, and a hold says since when.
    terms = (event.run, event.change, event.held_at)
    return terms == (previous.run, previous.change, None) and previous.held_at is None
