"""What has really happened: the stream, read by a client that shares no code with the services."""

import json
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from nats.aio.msg import Msg
from nats.js.api import DeliverPolicy

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
    """All events that the stream holds, in order; what is no JSON object is left out."""
    facts = []
    async with stack.client(READER) as client:
        jetstream = client.jetstream()
        subject = "countdown.*.events"
        info = await jetstream.streams_info()
        if not info or not info[0].state.messages:
            return []
        subscription = await jetstream.subscribe(
            subject, ordered_consumer=True, deliver_policy=DeliverPolicy.ALL, stream="COUNTDOWN"
        )
        owed = (await subscription.consumer_info()).num_pending or 0
        pending = 1 if owed or subscription.delivered else 0
        while pending:
            message = await subscription.next_msg(timeout=READ_SECONDS)
            pending = message.metadata.num_pending
            fact = _fact(
                message.metadata.sequence.stream,
                message.metadata.timestamp.timestamp() * 1000,
                message.data,
            )
            facts += [fact] if fact is not None else []
    return facts


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
