"""What really happened: the stream's events, read without the services' code."""

import base64
import json
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from .stack import Stack

READ_SECONDS = 20.0
READER = "operator"
"""The user that may answer the flow control of a long replay."""


@dataclass(frozen=True)
class Event:
    """An event in the stream; times are milliseconds since the Unix epoch."""

    seq: int
    stored_at: float
    room: str
    run: str
    type: str
    remaining: int | None
    due: int | None
    emitted: int | None
    by: str
    starts_at: int
    first: int
    interval_ms: int
    held_at: int | None = None
    held_until: int | None = None
    holds: tuple[tuple[int, int | None], ...] = ()
    """The planned holds: each one's number, and for how many milliseconds."""
    change: str | None = None
    """The last hold, resume, adjustment or recycle, with its id."""
    at: int | None = None
    seconds: int | None = None
    shown: tuple[object, ...] = ()
    """What screens do after zero, and from which numbers on they warn."""

    def due_by_terms(self, remaining: int) -> int:
        """When this event says that the tick `remaining` is due."""
        return self.starts_at + (self.first - remaining) * self.interval_ms


async def read(stack: Stack) -> list[Event]:
    """All events in the stream, in order; entries that are no valid event are left out.

    Each is requested by itself, as JSON: a consumer delivers subjects and headers as they were
    sent, and a stranger who chooses those can crash the client that reads them.
    """
    events, seq = [], 0
    async with stack.client(READER) as client:
        while (entry := await _next(client, seq + 1)) is not None:
            seq = entry["seq"]
            event = decode(seq, _milliseconds(entry["time"]), base64.b64decode(entry["data"]))
            events += [event] if event is not None else []
    return events


class _Entry(TypedDict):
    seq: int
    time: str
    """RFC 3339, with up to nine digits behind the second."""
    data: str
    """Base64; missing if it is empty."""


async def _next(client: Client, seq: int) -> _Entry | None:
    """The first event from the sequence `seq` on, as the server's API returns it."""
    request = json.dumps({"seq": seq, "next_by_subj": "countdown.*.events"}).encode()
    subject = "$JS.API.STREAM.MSG.GET.COUNTDOWN"
    reply = json.loads((await client.request(subject, request, timeout=READ_SECONDS)).data)
    if (error := reply.get("error")) is None:
        entry = reply["message"]
        return _Entry(seq=entry["seq"], time=entry["time"], data=entry.get("data", ""))
    if error["code"] == 404:
        return None
    raise nats.errors.Error(error["description"])


def _milliseconds(time: str) -> float:
    # Python reads six digits behind the second at most.
    whole, _, part = time.removesuffix("Z").partition(".")
    return datetime.fromisoformat(f"{whole}+00:00").timestamp() * 1000 + float(f"0.{part}0") * 1000


@asynccontextmanager
async def following(stack: Stack) -> AsyncIterator[list[Event]]:
    """A list that grows with the stream, for scenarios that outlast what the stream keeps."""
    events: list[Event] = []

    async def take(message: Msg) -> None:
        metadata = message.metadata
        at = metadata.timestamp.timestamp() * 1000
        if (event := decode(metadata.sequence.stream, at, message.data)) is not None:
            events.append(event)

    async with stack.client(READER) as client:
        await client.jetstream().subscribe(
            "countdown.*.events", stream="COUNTDOWN", ordered_consumer=True, cb=take
        )
        yield events


def decode(seq: int, stored_at: float, data: bytes) -> Event | None:
    """An entry of the stream as an event; None if it is no valid one."""
    try:
        fields = json.loads(data)
        if not all(isinstance(fields[name], str) for name in ("room", "run", "type")):
            return None
        return Event(
            seq=seq,
            stored_at=stored_at,
            room=fields["room"],
            run=fields["run"],
            type=fields["type"],
            remaining=fields.get("remaining"),
            due=fields.get("due"),
            emitted=fields.get("emitted"),
            by=fields["by"],
            starts_at=fields["starts_at"],
            first=fields["from"],
            interval_ms=fields["interval_ms"],
            held_at=fields.get("held_at"),
            held_until=fields.get("held_until"),
            holds=tuple((hold["at"], hold.get("for_ms")) for hold in fields.get("holds", ())),
            change=fields.get("change"),
            at=fields.get("at"),
            seconds=fields.get("seconds"),
            shown=tuple(fields.get(name) for name in ("after_zero", "warning", "danger")),
        )
    except (ValueError, LookupError, TypeError, RecursionError):
        return None


def by_run(events: list[Event]) -> dict[str, list[Event]]:
    """The events of each run."""
    found: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        found[event.run].append(event)
    return found
