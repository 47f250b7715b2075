"""Planned holds: a scheduler is killed as one begins or ends, and people press at that instant."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from nats.aio.client import Client

from auditor.history import Event

from ..changing import Change, ask_twice, check_changes, new_change
from ..countdowns import LEAD_MS, ask_within, new_rooms, now, settled
from ..history import by_run
from ..scenario import Scenario, Trial
from ..stack import running

INTERVAL_MS, HELD_MS = 150, 400
TERMS = {
    "from": 6,
    "interval_ms": INTERVAL_MS,
    "holds": [{"at": 4, "for_ms": HELD_MS}, {"at": 2}],
}
INSTANTS_MS = (2 * INTERVAL_MS, 2 * INTERVAL_MS + HELD_MS, 4 * INTERVAL_MS + HELD_MS)
"""After the start: the first hold begins, it ends, and the second begins, which has no end."""
PAUSE_SECONDS = 0.2
TRIES = 60


@dataclass
class _Run:
    """A run under way, the scheduler that stored it, and what was asked of it."""

    room: str
    name: str
    starts_at: int
    by: str
    changes: list[Change]


async def killed_at_a_planned_hold(trial: Trial) -> None:
    """Of each five runs the scheduler that stored the first is killed, at an instant of that."""

    async def strike(run: _Run) -> None:
        scheduler = trial.stack.services[run.by]
        await _until(trial, run, trial.random.choice(INSTANTS_MS))
        await scheduler.process.kill()
        await scheduler.process.start()
        await trial.stack.ready(scheduler)

    async with _connected(trial) as clients:
        for _ in range(trial.either(12, 2)):
            runs = await _start(trial, clients, 5)
            await asyncio.gather(
                strike(runs[0]), *(_resume_until_over(trial, clients, run) for run in runs)
            )
            events = by_run(await _check(trial, runs))
            for run in runs:
                ended = sum(_is_automatic(event) for event in events[run.name])
                trial.outcome.require(ended == 1, f"a hold ended {ended} times by itself")


async def pressed_at_a_planned_hold(trial: Trial) -> None:
    """In each room something is pressed at an instant of a planned hold, twice."""

    async def press(clients: Sequence[Client], run: _Run) -> None:
        kind = trial.random.choice(["hold", "resume", "adjust", "recycle"])
        fields = {"adjust": {"seconds": trial.random.choice([-1, 1])}, "recycle": {"to": 5}}
        await _until(trial, run, trial.random.choice(INSTANTS_MS))
        change = new_change(trial, kind, run.room)
        run.changes.append(change)
        await ask_twice(trial, clients, change, **fields.get(kind, {}))
        await _resume_until_over(trial, clients, run)

    async with _connected(trial) as clients:
        for _ in range(trial.either(5, 1)):
            runs = await _start(trial, clients, 10)
            await asyncio.gather(*(press(clients, run) for run in runs))
            await _check(trial, runs)


@asynccontextmanager
async def _connected(trial: Trial) -> AsyncIterator[list[Client]]:
    """Three connections of people."""
    async with AsyncExitStack() as leaving:
        yield [await leaving.enter_async_context(trial.stack.client()) for _ in range(3)]


async def _start(trial: Trial, clients: Sequence[Client], count: int) -> list[_Run]:
    runs = []
    for room in new_rooms(trial, count):
        starts_at = int(now()) + LEAD_MS + trial.random.randrange(INTERVAL_MS)
        terms = {"room": room, "starts_at": starts_at, **TERMS}
        started = await ask_within(1000, clients[0], "scheduler.start", **terms)
        trial.outcome.require(started.code == 200, f"a start was answered {started.code}")
        if started.code == 200:
            name, by = str(started.body["run"]), str(started.body["by"])
            runs.append(_Run(room, name, starts_at, by, []))
    return runs


async def _until(trial: Trial, run: _Run, ms: float) -> None:
    """Wait until slightly before or after so many milliseconds of the run: the append should be in
    flight."""
    at = run.starts_at + ms + trial.random.uniform(-2.0, 2.0)
    await asyncio.sleep(max(0.0, at - now()) / 1000)


async def _resume_until_over(trial: Trial, clients: Sequence[Client], run: _Run) -> None:
    """Resume the run whenever it is held, from when the second hold has begun."""
    await _until(trial, run, INSTANTS_MS[-1] + 100)
    for _ in range(TRIES):
        resumed = await ask_twice(trial, clients, new_change(trial, "resume", run.room))
        run.changes.append(resumed)
        if resumed.reply is not None and resumed.reply.code == 404:
            return
        await asyncio.sleep(PAUSE_SECONDS)
    trial.outcome.require(False, "a run does not end, however often it is resumed")


async def _check(trial: Trial, runs: Sequence[_Run]) -> list[Event]:
    names = [run.name for run in runs]
    events = await settled(trial.stack, names)
    trial.outcome.check_stream(events, names)
    trial.outcome.check_services(trial.stack)
    check_changes(trial.outcome, [change for run in runs for change in run.changes], events)
    return events


def _is_automatic(event: Event) -> bool:
    return event.type == "resumed" and event.change is None


SCENARIOS = [
    Scenario(
        "killed-at-planned-hold",
        "60 runs with two planned holds, with three schedulers, of which one is killed (-9) as a "
        "hold of every fifth run begins or ends",
        "every number once, the tick of a hold held; a hold with an end ends once and to the "
        "millisecond, one without when it is resumed",
        killed_at_a_planned_hold,
        rounds=1,
        setup=partial(running, schedulers=3, coordinators=0),
        late_limit_ms=100,
    ),
    Scenario(
        "pressed-at-planned-hold",
        "50 runs with two planned holds; at the instant at which one begins or ends, somebody "
        "holds, resumes, adjusts or recycles the run, each asked twice at once",
        "every number once between two changes; a change is done once, or refused because it came "
        "before the hold or after its end; every reply true",
        pressed_at_a_planned_hold,
        rounds=1,
        setup=partial(running, schedulers=3, coordinators=0),
        late_limit_ms=100,
    ),
]
