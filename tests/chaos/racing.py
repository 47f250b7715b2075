"""Commands that race throughout a fault, and the check that every reply was true.

A reply of 503, or none, says that the outcome is unknown; every other one has to be in the stream.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from nats.aio.client import Client

from auditor.history import Event

from . import history
from .changing import Change, ask_twice, check_changes, new_change
from .countdowns import LEAD_MS, Inject, Plan, Reply, ask_within, disturb, new_rooms, now, settled
from .scenario import Trial
from .viewers import until, watching

AT_ONCE = 3
PAUSE_SECONDS = 0.3
WITHIN_MS = 1000
"""As a frontend asks: a request that is held up on its way is not carried out later."""
STARTED = {"from": 4, "interval_ms": 500}
"""Longer than that and a scheduler's patience, so all starts at once have one run between them."""
CHANGED_MS = 150
UNKNOWN = {0, 503}
UNDECIDED = "requests without an outcome meanwhile (503, or none)"


@dataclass
class _Asked:
    """What was asked, and answered: starts by room, cancels by run, changes and their runs."""

    starts: dict[str, Sequence[Reply]] = field(default_factory=dict)
    cancels: dict[str, Reply] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    is_over: bool = False


@asynccontextmanager
async def racing(trial: Trial, watched: int = 4) -> AsyncIterator[None]:
    """Start, change and cancel runs until the context is left, then check all replies.

    In so many of the rooms in which a run is cancelled, every coordinator has a viewer.
    """
    stack, rooms, asked = trial.stack, new_rooms(trial, watched), _Asked()
    async with AsyncExitStack() as leaving:
        clients = [await leaving.enter_async_context(stack.client()) for _ in range(AT_ONCE)]
        viewers = await leaving.enter_async_context(
            watching(stack, rooms, watched * len(stack.addresses), trial.random)
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(_start_at_once(trial, clients, asked))
            group.create_task(_cancel_at_ticks(trial, clients, rooms, asked))
            group.create_task(_change_at_ticks(trial, clients, asked))
            try:
                yield
            finally:
                asked.is_over = True
        events = await _settled(trial, asked)
        in_room = {event.run: event.room for event in events if event.room in rooms}
        owed = [
            (viewer, run) for viewer in viewers for run in in_room if in_room[run] == viewer.room
        ]
        is_told = await until(lambda: all(run in viewer.finished for viewer, run in owed), 10.0)
        trial.outcome.require(is_told, "a viewer does not know that a run is over")
        trial.outcome.check_stream(events, {event.run for event in events})
        trial.outcome.check_viewers(events, in_room, viewers)
    _check_starts(trial, asked, events)
    _check_cancels(trial, asked, events)
    check_changes(trial.outcome, asked.changes, events)


async def disturb_with_races(trial: Trial, inject: Inject) -> None:
    """Count in several rooms while commands race, inject a fault, check everything."""
    async with racing(trial):
        plan = Plan(interval_ms=trial.either(1500, 900))
        await disturb(trial, plan, inject, within=0.1, keeps_sockets=True)
    await trial.stack.ready()


async def _start_at_once(trial: Trial, clients: Sequence[Client], asked: _Asked) -> None:
    while not asked.is_over:
        [room] = new_rooms(trial)
        asked.starts[room] = await asyncio.gather(
            *(
                ask_within(WITHIN_MS, client, "scheduler.start", room=room, **STARTED)
                for client in clients
            )
        )
        await asyncio.sleep(PAUSE_SECONDS)


async def _cancel_at_ticks(
    trial: Trial, clients: Sequence[Client], rooms: Sequence[str], asked: _Asked
) -> None:
    """A cancel at the instant of a tick, first in `rooms` and then in others."""
    waiting = list(rooms)
    while not asked.is_over:
        room = waiting.pop() if waiting else new_rooms(trial)[0]
        client = trial.random.choice(clients)
        if (run := await _run_until_a_tick(trial, client, room)) is not None:
            asked.cancels[run] = await ask_within(WITHIN_MS, client, "scheduler.cancel", room=room)


async def _change_at_ticks(trial: Trial, clients: Sequence[Client], asked: _Asked) -> None:
    """A hold at the instant of a tick, or an adjustment, and then a resume."""
    while not asked.is_over:
        [room] = new_rooms(trial)
        if (run := await _run_until_a_tick(trial, trial.random.choice(clients), room)) is None:
            continue
        asked.changed.append(run)
        if trial.random.random() < 0.5:
            adjusted = new_change(trial, "adjust", room)
            asked.changes.append(await ask_twice(trial, clients, adjusted, seconds=1))
            continue
        for kind in ("hold", "resume"):
            asked.changes.append(await ask_twice(trial, clients, new_change(trial, kind, room)))


async def _run_until_a_tick(trial: Trial, client: Client, room: str) -> str | None:
    """Start a run and wait for one of its ticks; gives the run, None if it can't be started."""
    starts_at = int(now()) + LEAD_MS
    terms = {"room": room, "starts_at": starts_at, "interval_ms": CHANGED_MS}
    started = await ask_within(WITHIN_MS, client, "scheduler.start", **terms)
    if started.code != 200:
        return None
    due = starts_at + trial.random.randrange(1, 6) * CHANGED_MS
    # Slightly before or after it: the append should be in flight.
    await asyncio.sleep((due + trial.random.uniform(-1.0, 2.0) - now()) / 1000)
    return str(started.body["run"])


async def _settled(trial: Trial, asked: _Asked) -> list[Event]:
    """The events of everything that was started, once it is over."""
    stack = trial.stack
    named = [*asked.cancels, *asked.changed]
    events = await settled(stack, named)
    names = {event.run for event in events if event.room in asked.starts}
    events = await settled(stack, [*names, *named])
    return [event for event in events if event.run in names | set(named)]


def _check_starts(trial: Trial, asked: _Asked, events: list[Event]) -> None:
    """One of the starts at once got 200, the others 409 and its run, and there is no other run."""
    outcome = trial.outcome
    for room, replies in asked.starts.items():
        codes = sorted(reply.code for reply in replies)
        told = {str(reply.body.get("run")) for reply in replies if reply.code in (200, 409)}
        stored = {event.run for event in events if event.room == room}
        unknown = sum(code in UNKNOWN for code in codes)
        outcome.worst(UNDECIDED, outcome.figures.get(UNDECIDED, 0) + unknown)
        outcome.require(len(stored) <= 1, f"starts at once made {len(stored)} runs")
        outcome.require(told <= stored, f"starts at once were told of another run: {codes}")
        outcome.require(codes.count(200) <= 1, f"starts at once were answered {codes}")
        if not unknown:
            outcome.require(codes == [200, 409, 409], f"starts at once were answered {codes}")


def _check_cancels(trial: Trial, asked: _Asked, events: list[Event]) -> None:
    """A cancel got 200 and its run was cut, or it came too late for a run that is over."""
    outcome, by_run = trial.outcome, history.by_run(events)
    for run, reply in asked.cancels.items():
        if not by_run[run]:
            outcome.require(False, "a run that was started is not in the stream")
            continue
        last = by_run[run][-1]
        if reply.code in UNKNOWN:
            outcome.worst(UNDECIDED, outcome.figures.get(UNDECIDED, 0) + 1)
        else:
            expected = {"cancelled": 200}.get(last.type, 404)
            outcome.require(
                reply.code == expected, f"a cancel was answered {reply.code}: {last.type}"
            )
