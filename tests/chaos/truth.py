"""What has really happened: the stream, read by a client that shares no code with the services."""

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
"""Who may answer the flow control of a long replay."""


@dataclass(frozen=True)
class Fact:
    """An entry of a room's events; times are milliseconds since the Unix epoch."""

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


@dataclass
class Verdict:
    """What the stream says of one run."""

    lost: int = 0
    doubled: int = 0
    late_ms: float = 0.0
    """The worst lateness of a tick, from when it was due to when the server stored it."""
    early_ms: float = 0.0
    wrong: tuple[str, ...] = ()


async def read(stack: Stack) -> list[Fact]:
    """All events that the stream holds, in order; what is no JSON object is left out.

    Each is asked for by itself, and told as JSON: what a consumer delivers has its subject and its
    headers as they were sent, and a stranger who may choose those can end the client that reads.
    """
    facts, seq = [], 0
    async with stack.client(READER) as client:
        while (entry := await _next(client, seq + 1)) is not None:
            seq = entry["seq"]
            fact = _fact(seq, _milliseconds(entry["time"]), base64.b64decode(entry["data"]))
            facts += [fact] if fact is not None else []
    return facts


class _Entry(TypedDict):
    seq: int
    time: str
    """RFC 3339, with up to nine digits behind the second."""
    data: str
    """Base64; not there where it is empty."""


async def _next(client: Client, seq: int) -> _Entry | None:
    """The first event from the sequence `seq` on, as the server describes it."""
    asked = json.dumps({"seq": seq, "next_by_subj": "countdown.*.events"}).encode()
    subject = "$JS.API.STREAM.MSG.GET.COUNTDOWN"
    reply = json.loads((await client.request(subject, asked, timeout=READ_SECONDS)).data)
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
async def following(stack: Stack) -> AsyncIterator[list[Fact]]:
    """A list that grows with the stream, for what lasts longer than the stream remembers."""
    facts: list[Fact] = []

    async def take(message: Msg) -> None:
        metadata = message.metadata
        at = metadata.timestamp.timestamp() * 1000
        if (fact := _fact(metadata.sequence.stream, at, message.data)) is not None:
            facts.append(fact)

    async with stack.client(READER) as client:
        await client.jetstream().subscribe(
            "countdown.*.events", stream="COUNTDOWN", ordered_consumer=True, cb=take
        )
        yield facts


def _fact(seq: int, stored_at: float, data: bytes) -> Fact | None:
    try:
        told = json.loads(data)
        return Fact(
            seq=seq,
            stored_at=stored_at,
            room=told["room"],
            run=told["run"],
            type=told["type"],
            remaining=told.get("remaining"),
            due=told.get("due"),
            emitted=told.get("emitted"),
            by=told["by"],
            starts_at=told["starts_at"],
            first=told["from"],
            interval_ms=told["interval_ms"],
        )
    except (ValueError, LookupError, TypeError, RecursionError):
        return None


def runs(facts: list[Fact]) -> dict[str, list[Fact]]:
    """The facts by run."""
    found: dict[str, list[Fact]] = defaultdict(list)
    for fact in facts:
        found[fact.run].append(fact)
    return found


def judge(facts: list[Fact]) -> Verdict:
    """Judge the facts of one run that should be over: by zero, or by a cancel."""
    wrong = []
    started, ticks = facts[0], [fact for fact in facts if fact.type == "tick"]
    if started.type != "started":
        wrong.append(f"run {started.run} begins with {started.type}")
    numbers = [tick.remaining or 0 for tick in ticks]
    cancelled = [fact for fact in facts if fact.type == "cancelled"]
    last = 0
    if cancelled:
        [cancel] = cancelled
        last = started.first + 1 if cancel.remaining is None else cancel.remaining
        if facts[-1] is not cancel:
            wrong.append(f"run {started.run} goes on after its cancel")
    due = list(range(started.first, last - 1, -1))
    if numbers != sorted(set(numbers), reverse=True) and len(set(numbers)) == len(numbers):
        wrong.append(f"run {started.run} is out of order: {numbers}")
    for tick in ticks:
        expected = started.starts_at + (started.first - (tick.remaining or 0)) * started.interval_ms
        if tick.due != expected:
            wrong.append(
                f"tick {tick.remaining} of {started.run} is due {tick.due}, not {expected}"
            )
    lateness = [tick.stored_at - (tick.due or 0) for tick in ticks]
    return Verdict(
        lost=len(set(due) - set(numbers)),
        doubled=len(numbers) - len(set(numbers)),
        late_ms=max(lateness, default=0.0),
        early_ms=max([-late for late in lateness], default=0.0),
        wrong=tuple(wrong),
    )
