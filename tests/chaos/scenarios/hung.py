"""Replicas that hang: they keep their connections and their share of requests, but answer none."""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import aiohttp

from .. import history
from ..countdowns import Fault, Plan, disturb, new_rooms, now, settled
from ..scenario import Scenario, Trial
from ..stack import Stack, running

NOTICED_SECONDS = 6.0
"""By then NATS has closed connections that answer no ping: see deploy/nats.conf."""
ANSWER_SECONDS = 0.8
PATIENCE = aiohttp.ClientTimeout(total=10)


@dataclass(frozen=True)
class Answer:
    """A frontend's answer: the status (0 if none came), the run, and how long it took."""

    status: int
    run: str
    seconds: float


async def hung(trial: Trial) -> None:
    stack, outcome = trial.stack, trial.outcome
    victims = [trial.random.choice(stack.schedulers), trial.random.choice(stack.coordinators)]
    starts: dict[str, Answer] = {}

    async def freeze_and_thaw() -> Fault:
        at, noticed = now(), time.monotonic() + NOTICED_SECONDS
        for victim in victims:
            victim.process.freeze()
        # These requests queue at the hung replicas, and are still there when they continue.
        while time.monotonic() < noticed:
            [room] = new_rooms(trial)
            starts[room] = await _start(stack, room)
        await asyncio.sleep(noticed - time.monotonic())
        for _ in range(trial.either(20, 8)):
            [room] = new_rooms(trial)
            page = await _ask(stack, "GET", f"/r/{room}")
            state = await _ask(stack, "GET", f"/api/rooms/{room}")
            starts[room] = await _start(stack, room)
            for kind, answer, status in (
                ("page", page, 200),
                ("room", state, 200),
                ("start", starts[room], 201),
            ):
                outcome.require(answer.status == status, f"a {kind} was answered {answer.status}")
                outcome.worst(f"a {kind} is answered within, s", answer.seconds)
                is_soon = answer.seconds <= ANSWER_SECONDS
                outcome.require(is_soon, f"a {kind} took longer than {ANSWER_SECONDS} s")
        for victim in victims:
            victim.process.thaw()
        fault = Fault(at, now())
        outcome.worst("ready again after thawing, s", await stack.ready())
        return fault

    await disturb(trial, Plan(interval_ms=trial.either(1500, 1000)), freeze_and_thaw, within=0.1)
    names = [answer.run for answer in starts.values() if answer.status == 201]
    events = await settled(stack, names)
    outcome.check_stream(events, names)
    by_run = history.by_run(events)
    stale = [name for name in by_run if by_run[name][0].room in starts and name not in names]
    outcome.require(
        not stale, f"{len(stale)} starts were carried out after the client had given up"
    )


async def _start(stack: Stack, room: str) -> Answer:
    terms = {"from": 2, "interval_ms": 100}
    return await _ask(stack, "POST", f"/api/rooms/{room}/countdown", terms)


async def _ask(stack: Stack, method: str, path: str, body: object = None) -> Answer:
    """Ask the frontend, which does not hang."""
    begun, url = time.monotonic(), stack.services["frontend-1"].url(path)
    status, run = 0, ""
    with suppress(aiohttp.ClientError, TimeoutError):
        async with stack.http.request(method, url, json=body, timeout=PATIENCE) as answer:
            status = answer.status
            if status == 201:
                run = (await answer.json())["run"]
    return Answer(status, run, time.monotonic() - begun)


SCENARIOS = [
    Scenario(
        "hung-replica",
        "a scheduler and a coordinator, one of two each, hang (SIGSTOP) for more than 6 s",
        "11 ticks once; after 6 s, every page, room and start is answered within 0.8 s; nothing "
        "stale from those that continue",
        hung,
        rounds=2,
        setup=partial(running, frontends=1, env={"MAX_ROOMS_PER_ADDRESS": "10000"}),
        late_limit_ms=100,
        remark="The viewers of the hung coordinator see no number meanwhile, and all of them "
        "afterwards.",
    )
]
