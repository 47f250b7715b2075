"""The stream: its entries, its identity, and its making."""

from datetime import datetime

import nats.js.errors
from msgspec import Struct
from nats.js.api import DiscardPolicy, StorageType, StreamConfig, StreamInfo

from protocol import subjects

from .bus import Bus, BusError
from .logs import logger

log = logger(__name__)

KEPT_ENTRIES = 1000
"""How many entries of each subject the stream keeps."""
KEPT_SECONDS = 7 * 24 * 60 * 60
"""For how long it keeps them at most."""


class Entry(Struct, frozen=True):
    """One entry of the stream; `at` is when it was stored, in milliseconds since the Unix epoch."""

    seq: int
    subject: str
    data: bytes
    at: int


async def open_stream(bus: Bus) -> StreamInfo:
    """The stream; whoever comes first creates it."""
    jetstream = bus.jetstream
    try:
        return await jetstream.stream_info(subjects.STREAM)
    except nats.js.errors.NotFoundError:
        log.info("creating the stream", stream=subjects.STREAM)
    return await jetstream.add_stream(
        StreamConfig(
            name=subjects.STREAM,
            subjects=[subjects.ALL_EVENTS, subjects.ALL_MESSAGES],
            storage=StorageType.FILE,
            discard=DiscardPolicy.OLD,
            max_msgs_per_subject=KEPT_ENTRIES,
            max_age=KEPT_SECONDS,
            allow_direct=True,
        )
    )


def epoch_of(stream: StreamInfo) -> str:
    """The epoch: the stream's creation time, in microseconds since the Unix epoch, as hex."""
    created = stream.created
    if not isinstance(created, datetime):
        raise BusError("the server does not tell when the stream was created")
    return f"{int(created.timestamp() * 1_000_000):x}"
