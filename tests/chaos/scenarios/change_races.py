"""Holds and adjustments at the instant of a tick, each asked twice, while servers are killed."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from functools import partial

from nats.aio.client import Client

from ..changing import Change, ask_twice, check_changes, new_change
from ..countdowns import LEAD_MS, ask_within, new_rooms, now, settled
from ..scenario import Scenario, Trial
from ..stack import running
from .cluster import SERVERS, in_step

AT_ONCE = 20
TERMS = {"from": 10, "interval_ms": 200}
HELD_SECONDS = 0.4
"""The longest hold, two intervals."""
HELD_OF_ADJUSTED = 0.3
"""How many of the runs that are adjusted are held then."""
Strike = Callable[[Trial, str], Coroutine[None, None, None]]
"""Kills something, given the scheduler that stores a room's ticks, and starts it again."""
Race = Callable[[Trial, Sequence[Client], str], Coroutine[None, None, list[Change]]]


async def hold_against_tick(trial: Trial) -> None:
    await _race(trial, [_hold_and_resume], trial.either(200, AT_ONCE), _kill_scheduler)


async def adjust_against_tick(trial: Trial) -> None:
    await _race(trial, [_adjust], trial.either(200, AT_ONCE), _kill_scheduler)


async def without_a_leader(trial: Trial) -> None:
    await in_step(trial)
    await _race(trial, [_hold_and_resume, _adjust], trial.either(120, AT_ONCE), _kill_leader)


async def _race(trial: Trial, races: Sequence[Race], count: int, strike: Strike) -> None:
    """So many runs with a change at the instant of a tick; at that of one in AT_ONCE, `strike`."""
    changes: list[Change] = []
    names: list[str] = []
    async with AsyncExitStack() as leaving:
        clients = [await leaving.enter_async_context(trial.stack.client()) for _ in range(3)]

        async def run(room: str, race: Race, is_struck: bool) -> None:
            starts_at = int(now()) + LEAD_MS + trial.random.randrange(TERMS["interval_ms"])
            terms = {"room": room, "starts_at": starts_at, **TERMS}
            started = await ask_within(1000, clients[0], "scheduler.start", **terms)
            trial.outcome.require(started.code == 200, f"a start was answered {started.code}")
            if started.code != 200:
                return
            names.append(str(started.body["run"]))
            due = starts_at + trial.random.randrange(TERMS["from"] + 1) * TERMS["interval_ms"]
            # Slightly before or after it: the append should be in flight.
            await asyncio.sleep((due + trial.random.uniform(-2.0, 2.0) - now()) / 1000)
            async with asyncio.TaskGroup() as group:
                if is_struck:
                    group.create_task(strike(trial, str(started.body["by"])))
                changes.extend(await race(trial, clients, room))

        for _ in range(0, count, AT_ONCE):
            rooms = new_rooms(trial, AT_ONCE)
            await asyncio.gather(
                *(
                    run(room, races[number % len(races)], number == 0)
                    for number, room in enumerate(rooms)
                )
            )
    events = await settled(trial.stack, names)
    trial.outcome.check_stream(events, names)
    trial.outcome.check_services(trial.stack)
    check_changes(trial.outcome, changes, events)


async def _hold_and_resume(trial: Trial, clients: Sequence[Client], room: str) -> list[Change]:
    """Hold now, and resume after a random time, unless the run was over."""
    held = await ask_twice(trial, clients, new_change(trial, "hold", room))
    if not held.is_done:
        return [held]
    await asyncio.sleep(trial.random.uniform(0.0, HELD_SECONDS))
    return [held, await ask_twice(trial, clients, new_change(trial, "resume", room))]


async def _adjust(trial: Trial, clients: Sequence[Client], room: str) -> list[Change]:
    """Adjust now; or hold now, adjust then and resume."""
    made: list[Change] = []
    is_held = trial.random.random() < HELD_OF_ADJUSTED
    if is_held:
        made.append(await ask_twice(trial, clients, new_change(trial, "hold", room)))
    seconds = trial.random.choice([-2, -1, 1, 1, 2])
    adjusted = new_change(trial, "adjust", room)
    made.append(await ask_twice(trial, clients, adjusted, seconds=seconds))
    if adjusted.reply is not None and adjusted.reply.body.get("held_at") is not None:
        made.append(await ask_twice(trial, clients, new_change(trial, "resume", room)))
    return made


async def _kill_scheduler(trial: Trial, name: str) -> None:
    scheduler = trial.stack.services[name]
    await scheduler.process.kill()
    await scheduler.process.start()
    await trial.stack.ready(scheduler)


async def _kill_leader(trial: Trial, _: str) -> None:
    leader = await in_step(trial)
    await leader.kill()
    await asyncio.sleep(trial.random.uniform(0.1, 1.0))
    await trial.stack.start_nats()
    await in_step(trial)


EXPECTED = (
    "every number once and due exactly as the last change says; a change is done once, however "
    "often it is asked; every reply true"
)
SCENARIOS = [
    Scenario(
        "hold-against-tick",
        "200 holds at the instant of a tick, each asked twice at once, and as many resumes, with "
        "three schedulers, of which one is killed (-9) at every twentieth",
        EXPECTED,
        hold_against_tick,
        rounds=1,
        setup=partial(running, schedulers=3, coordinators=0),
        late_limit_ms=100,
    ),
    Scenario(
        "adjust-against-tick",
        "200 adjustments at the instant of a tick, each asked twice at once, some of held runs, "
        "with three schedulers, of which one is killed (-9) at every twentieth",
        EXPECTED,
        adjust_against_tick,
        rounds=1,
        setup=partial(running, schedulers=3, coordinators=0),
        late_limit_ms=100,
    ),
    Scenario(
        "changes-without-leader",
        "60 holds and 60 adjustments at the instant of a tick, each asked twice at once, while the "
        "stream's leader, one of three NATS servers, is killed (-9) and restarted",
        EXPECTED,
        without_a_leader,
        rounds=1,
        setup=partial(
            running,
            bus=SERVERS,
            schedulers=3,
            coordinators=0,
            env={"STREAM_REPLICAS": str(SERVERS)},
        ),
        remark="Ticks that are due while the other two elect a leader are stored after it.",
    ),
]
