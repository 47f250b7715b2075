"""What really happened: the stream's events, read without the services' code."""

import base64
import json
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TypedDict

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from auditor.history import Event, decode

from .stack import Stack

READ_SECONDS = 20.0
EVENTS, GET = "countdown.*.events", "$JS.API.STREAM.MSG.GET.COUNTDOWN"
READER = "operator"
"""The user that may answer the flow control of a long replay."""


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


async def size(stack: Stack) -> tuple[int, int]:
    """How many entries the rooms' events have, and the sequence of the last one, 0 if there is
    none."""
    async with stack.client(READER) as client:
        info = await client.jetstream(timeout=READ_SECONDS).stream_info(
            "COUNTDOWN", subjects_filter=EVENTS
        )
        request = json.dumps({"last_by_subj": EVENTS}).encode()
        reply = await client.request(GET, request, timeout=READ_SECONDS)
    message = json.loads(reply.data).get("message") or {"seq": 0}
    return sum((info.state.subjects or {}).values()), message["seq"]


class _Entry(TypedDict):
    seq: int
    time: str
    """RFC 3339, with up to nine digits behind the second."""
    data: str
    """Base64; missing if it is empty."""


async def _next(client: Client, seq: int) -> _Entry | None:
    """The first event from the sequence `seq` on, as the server's API returns it."""
    request = json.dumps({"seq": seq, "next_by_subj": EVENTS}).encode()
    reply = json.loads((await client.request(GET, request, timeout=READ_SECONDS)).data)
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


def by_run(events: list[Event]) -> dict[str, list[Event]]:
    """The events of each run."""
    found: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        found[event.run].append(event)
    return found
