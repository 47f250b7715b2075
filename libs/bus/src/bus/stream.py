"""The stream: its entries, its identity, its creation and its limits."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TypeVar

import nats.js.errors
from msgspec import Struct
from nats.js import JetStreamContext
from nats.js.api import (
    ClusterInfo,
    DiscardPolicy,
    PeerInfo,
    RePublish,
    StorageType,
    StreamConfig,
    StreamInfo,
)
from nats.js.errors import APIError

from protocol import subjects
from runtime.logs import logger
from runtime.settings import Settings

from .connection import Bus
from .errors import BusError, BusUnavailable
from .reports import Cluster, Peer, Report

log = logger(__name__)

S = TypeVar("S", StreamInfo, Report)

KEPT_ENTRIES = 1000
"""How many entries of each subject the stream keeps."""
KEPT_SECONDS = 7 * 24 * 60 * 60
"""For how long it keeps them, at most."""
DUPLICATES_SECONDS = 2 * 60
"""For how long it recognises a message that is sent again, by its `Nats-Msg-Id`."""
LEAST_BYTES = 1 << 20
UNHEARD_NS = 2_500_000_000
"""A server that the stream's leader has not heard from for so long does not count for a quorum;
each answers a heartbeat a second."""
TOO_MUCH_STORE = {10002, 10047, 10122}
"""The server's error codes for a stream whose byte limit exceeds the store."""


class Entry(Struct, frozen=True):
    """One entry of the stream; `at` is when it was stored, in milliseconds since the Unix epoch.

    `headers` is its block of headers as it came, if the feed received it.
    """

    seq: int
    subject: str
    data: bytes
    at: int
    headers: bytes = b""


def wanted(settings: Settings) -> StreamConfig:
    """The stream as `settings` want it.

    It has a byte limit, at which the oldest entries are removed. A server whose store is full
    refuses everything, ticks too, and anybody's messages can fill it; a stream at its limit accepts
    a tick as before. If a run's events are removed, its schedulers store the last one again. (Two
    streams, for events and messages, would end the one order of both.)

    Events are republished, so that a coordinator can follow single rooms. Messages are not: the
    server adds headers to what it republishes, and nats-server (2.10 to 2.15.1) panics if a
    stranger has published a message with a header block of one byte.
    """
    return StreamConfig(
        name=subjects.STREAM,
        subjects=[subjects.ALL_EVENTS, subjects.ALL_MESSAGES],
        storage=StorageType.FILE,
        discard=DiscardPolicy.OLD,
        max_msgs_per_subject=KEPT_ENTRIES,
        max_age=KEPT_SECONDS,
        max_bytes=settings.stream_max_bytes,
        duplicate_window=DUPLICATES_SECONDS,
        allow_direct=True,
        republish=RePublish(src=subjects.ALL_EVENTS, dest=subjects.ALL_LIVE_EVENTS),
        num_replicas=settings.stream_replicas or None,
    )


async def stream_info(jetstream: JetStreamContext) -> StreamInfo:
    """The stream as a leader knows it that has a quorum.

    Others know the stream as it was, and would make it look truncated. Raises NotFoundError if
    there is no stream, BusUnavailable if it has no such leader.
    """
    return checked(await jetstream.stream_info(subjects.STREAM))


def checked(stream: S) -> S:
    """The stream, if it is a leader that has a quorum who knows it so; raises BusUnavailable."""
    if not has_quorum(stream.cluster):
        raise BusUnavailable("the stream has no leader with a quorum")
    return stream


def has_quorum(cluster: ClusterInfo | Cluster | None) -> bool:
    """Whether it is a leader's report, and the leader has heard from enough others of late.

    If there is only one copy of the stream, that is enough.
    """
    if cluster is None or not cluster.replicas:
        return True
    heard = sum(is_heard(peer) for peer in cluster.replicas)
    return bool(cluster.leader) and 2 * (heard + 1) > len(cluster.replicas) + 1


def is_heard(peer: PeerInfo | Peer) -> bool:
    """Whether the leader has heard from the peer of late; `active` is 0 if it never has."""
    return bool(peer.current or peer.active) and (peer.active or 0) < UNHEARD_NS


async def open_stream(bus: Bus, config: StreamConfig) -> StreamInfo:
    """The stream as it is; created from `config` if there is none."""
    try:
        return await stream_info(bus.jetstream)
    except nats.js.errors.NotFoundError:
        stream = await _within_the_store(bus.jetstream.add_stream, config)
    log.info("created the stream", stream=subjects.STREAM)
    return stream


async def keep_stream(bus: Bus, config: StreamConfig) -> StreamInfo:
    """The stream, updated to `config` if it differs.

    If the server refuses that, the stream is used as it is, and the log says why.
    """
    stream = await open_stream(bus, config)
    changes = _differences(stream.config, config)
    if changes:
        log.info("changing the stream", **changes)
        try:
            return await _within_the_store(
                bus.jetstream.update_stream, stream.config.evolve(**changes)
            )
        except APIError as error:
            log.warning("the stream stays as it is", reason=error.description)
    return stream


def _differences(actual: StreamConfig, config: StreamConfig) -> dict[str, object]:
    """The fields of `config` that differ from `actual`."""
    changes = {
        name: value
        for name, value in vars(config).items()
        if name in _KEPT and value is not None and value != getattr(actual, name)
    }
    republish = actual.republish
    if republish is None or republish.dest != subjects.ALL_LIVE_EVENTS:
        changes["republish"] = config.republish
    return changes


_KEPT = (
    "subjects",
    "discard",
    "max_msgs_per_subject",
    "max_age",
    "max_bytes",
    "duplicate_window",
    "allow_direct",
    "num_replicas",
)


async def _within_the_store(
    store: Callable[[StreamConfig], Awaitable[StreamInfo]], config: StreamConfig
) -> StreamInfo:
    """Create or update the stream; halve its byte limit until the server's store has room."""
    while True:
        try:
            return await store(config)
        except APIError as error:
            max_bytes = (config.max_bytes or 0) // 2
            if error.err_code not in TOO_MUCH_STORE or max_bytes < LEAST_BYTES:
                raise
            config = config.evolve(max_bytes=max_bytes)


def epoch_of(stream: StreamInfo | Report) -> str:
    """The epoch: the stream's creation time, in microseconds since the Unix epoch, as hex."""
    created = stream.created
    if not isinstance(created, datetime):
        raise BusError("the server did not send the stream's creation time")
    return f"{int(created.timestamp() * 1_000_000):x}"
