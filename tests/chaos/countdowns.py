"""Countdowns that are disturbed while viewers watch: the core of nearly every scenario."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import nats.errors
from nats.aio.client import Client

from auditor.history import Event

from . import history
from .scenario import Trial
from .stack import Stack
from .viewers import until, watching

LEAD_MS = 300
"""How far ahead runs are scheduled, so that all of them are stored before the first is due."""
ANSWER_SECONDS = 4.0
CARRIED_OUT_SECONDS = 1.0
"""A request that a service has begun is answered by then, or not carried out any more."""
RECOVERY = "recovered after the fault ended, s"


@dataclass(frozen=True)
class Reply:
    """A service's answer; code 0 means that there was none, 503 also that nobody is there."""

    code: int
    body: dict[str, object]
    words: str = ""


async def ask(stack: Stack, subject: str, **fields: object) -> Reply:
    """Ask a service once, as a person."""
    async with stack.client() as client:
        return await ask_over(client, subject, **fields)


async def ask_over(client: Client, subject: str, **fields: object) -> Reply:
    """Ask a service once over an existing connection."""
    return await _ask(client, subject, fields, {}, ANSWER_SECONDS)


async def ask_within(ms: int, client: Client, subject: str, **fields: object) -> Reply:
    """The same, but after so many milliseconds the service does nothing any more."""
    headers = {"Answer-By": str(int(now()) + ms)}
    return await _ask(client, subject, fields, headers, ms / 1000 + CARRIED_OUT_SECONDS)


async def _ask(
    client: Client,
    subject: str,
    fields: dict[str, object],
    headers: dict[str, str],
    seconds: float,
) -> Reply:
    try:
        reply = await client.request(
            subject, json.dumps(fields).encode(), timeout=seconds, headers=headers
        )
    except nats.errors.NoRespondersError:
        return Reply(503, {}, "nobody is there")
    except (nats.errors.Error, TimeoutError):
        return Reply(0, {})
    headers = reply.headers or {}
    code = int(headers.get("Nats-Service-Error-Code", "200"))
    body = json.loads(reply.data) if reply.data else {}
    return Reply(code, body, headers.get("Nats-Service-Error", ""))


async def start(stack: Stack, room: str, **terms: object) -> str:
    """Start a run; gives its name."""
    for _ in range(5):  # a replica that is frozen does not answer
        reply = await ask(stack, "scheduler.start", room=room, **terms)
        if reply.code == 200:
            return str(reply.body["run"])
        if reply.code == 409 and terms.get("starts_at") == reply.body["starts_at"]:
            return str(reply.body["run"])  # the first try was stored, but its answer was lost
    raise RuntimeError(f"no run could be started in {room}: {reply}")


@dataclass(frozen=True)
class Plan:
    """The countdowns and viewers during a fault."""

    rooms: int = 4
    viewers: int = 8
    first: int = 10
    interval_ms: int = 250
    patience: float = 20.0
    """Seconds after the last deadline until everything must be over."""

    @property
    def seconds(self) -> float:
        """How long a run takes."""
        return self.first * self.interval_ms / 1000


@dataclass(frozen=True)
class Fault:
    """When a fault began and ended, in milliseconds since the Unix epoch; a kill has no end."""

    began: float
    ended: float | None = None


Inject = Callable[[], Awaitable[Fault]]


async def disturb(
    trial: Trial,
    plan: Plan,
    inject: Inject,
    *,
    within: float = 0.9,
    keeps_sockets: bool = False,
    byes: int | None = None,
    rooms: Sequence[str] = (),
) -> list[Event]:
    """Count in several rooms, inject a fault at a random instant, check everything.

    The instant is in the first part `within` of the runs. `keeps_sockets` requires that no viewer
    had to reconnect, `byes` that each was told so as often. Gives the events of these runs.
    """
    stack, random, outcome = trial.stack, trial.random, trial.outcome
    rooms = rooms or new_rooms(trial, plan.rooms)
    async with watching(stack, rooms, plan.viewers, random) as viewers:
        starts_at = [int(now()) + LEAD_MS + random.randrange(plan.interval_ms) for _ in rooms]
        terms = {"from": plan.first, "interval_ms": plan.interval_ms}
        names = await asyncio.gather(
            *(
                start(stack, room, starts_at=at, **terms)
                for room, at in zip(rooms, starts_at, strict=True)
            )
        )
        await asyncio.sleep(max(0.0, min(starts_at) / 1000 - time.time()))
        await asyncio.sleep(random.random() * within * plan.seconds)
        fault = await inject()
        in_room = [(viewer, names[rooms.index(viewer.room)]) for viewer in viewers]
        await until(
            lambda: all(name in viewer.finished for viewer, name in in_room),
            max(0.0, max(starts_at) / 1000 + plan.seconds - time.time()) + plan.patience,
        )
        events = await settled(stack, names)
        outcome.check_stream(events, names)
        outcome.check_viewers(events, names, viewers, fault.began)
        if fault.ended is not None:
            outage = (fault.ended - fault.began) / 1000
            outcome.worst(RECOVERY, max(0.0, outcome.last_recovery_seconds - outage))
        if keeps_sockets:
            outcome.require(not any(viewer.drops for viewer in viewers), "a viewer lost its socket")
        if byes is not None:
            told = {len(viewer.byes) for viewer in viewers}
            outcome.require(told == {byes}, f"viewers had {told} byes, not {byes}")
            dropped = {viewer.drops for viewer in viewers}
            outcome.require(dropped == {byes}, f"viewers lost {dropped} sockets, not {byes}")
    outcome.check_services(stack)
    return [event for event in events if event.run in names]


def new_rooms(trial: Trial, count: int = 1) -> list[str]:
    """Names of new rooms."""
    return [f"room-{trial.random.randrange(16**8):08x}" for _ in range(count)]


async def settled(stack: Stack, names: Sequence[str], seconds: float = 10.0) -> list[Event]:
    """The stream's events once these runs are over, or as they are when the time is up."""
    deadline = time.monotonic() + seconds
    while True:
        events: list[Event] = []
        with suppress(nats.errors.Error, TimeoutError):
            events = await history.read(stack)
        by_run = history.by_run(events)
        if all(name in by_run and _is_over(by_run[name][-1]) for name in names):
            return events
        if time.monotonic() > deadline:
            return events
        await asyncio.sleep(0.1)


def _is_over(last: Event) -> bool:
    return last.type == "cancelled" or last.remaining == 0


def now() -> float:
    """Milliseconds since the Unix epoch."""
    return time.time() * 1000
