"""The reports of the stream's leader: asked for once (`bus.quorum`), for all that wait for one."""

import asyncio
from datetime import datetime

import msgspec
from msgspec import Struct, field
from nats.js.errors import APIError

from protocol import subjects
from runtime.clock import now_ms

from .client import Client

_SUBJECT = f"$JS.API.STREAM.INFO.{subjects.STREAM}"


class Peer(Struct, frozen=True):
    """Another server with a copy of the stream; `active` is in nanoseconds."""

    current: bool = False
    active: int = 0


class Cluster(Struct, frozen=True):
    """The servers that hold the stream."""

    leader: str = ""
    replicas: list[Peer] | None = None


class State(Struct, frozen=True):
    """What the stream holds."""

    messages: int = 0
    bytes: int = 0
    first_seq: int = 0
    last_seq: int = 0
    num_deleted: int = 0


class Config(Struct, frozen=True):
    """What the stream is to keep; `max_age` is in nanoseconds."""

    max_age: int = 0
    max_bytes: int = 0
    num_replicas: int = 1


class Report(Struct, frozen=True):
    """What we read of nats-py's `StreamInfo`, which takes four times as long to decode."""

    created_at: str = field(name="created", default="")
    state: State = State()
    config: Config = Config()
    cluster: Cluster | None = None
    error: dict[str, object] | None = None
    ts: datetime | None = None
    """When the server made it, by its own clock; servers before 2.10 don't say."""
    asked_at: float = 0.0
    answered_at: float = 0.0
    """Between when it was made, by this machine's clock, in milliseconds since the Unix epoch."""

    @property
    def created(self) -> datetime:
        """When the stream was created, to the microsecond; msgspec would round it up."""
        return datetime.fromisoformat(self.created_at)


_report = msgspec.json.Decoder(Report)


async def ask(client: Client, timeout: float) -> Report:
    """The report of the stream, from whoever leads it, within `timeout` seconds.

    Raises NotFoundError if there is no stream, and what a request raises.
    """
    asked_at = now_ms()
    report = _report.decode((await client.request(_SUBJECT, b"", timeout)).data)
    if report.error is not None:
        APIError.from_error(report.error)
    return msgspec.structs.replace(report, asked_at=asked_at, answered_at=now_ms())


class Reports:
    """Hands each report to everybody who waits for the next one."""

    def __init__(self) -> None:
        self._latest: Report | None = None
        self._came = asyncio.Event()

    def put(self, report: Report | None) -> None:
        """The leader has reported, or that there is no stream."""
        self._latest = report
        self._came.set()
        self._came = asyncio.Event()

    async def next(self) -> Report | None:
        """Wait for the next report, twice a second while there is a quorum; None if there is no
        stream."""
        await self._came.wait()
        return self._latest
