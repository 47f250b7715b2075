"""Three NATS servers with a copy of the stream on each: races in one room, its leader is killed."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from functools import partial

import nats.errors
from nats.aio.client import Client
from nats.js.api import StreamInfo

from support.nats_server import AsyncNatsServer

from .. import history
from ..countdowns import LEAD_MS, Fault, Plan, ask_over, disturb, new_rooms, now, settled
from ..scenario import Scenario, Trial
from ..stack import Stack, running

SERVERS = 3
THREE_SERVERS = partial(running, bus=SERVERS, env={"STREAM_REPLICAS": str(SERVERS)})
IN_STEP_SECONDS = 15.0
CANCELS_AT_ONCE = 6
CANCELLED_MS = 100
"""Between the ticks of a run that is to be cancelled."""


async def raced(trial: Trial) -> None:
    """Starts at the same instant, then cancels at the instant of a tick, beside other runs."""
    stack = trial.stack
    names: list[str] = []
    await in_step(trial)

    async def race() -> Fault:
        at = now()
        async with AsyncExitStack() as leaving:
            clients = [
                await leaving.enter_async_context(stack.client(server=server))
                for server in stack.servers
            ]
            names.extend(await _race_starts(trial, clients))
            names.extend(await _race_cancels(trial, clients))
        return Fault(at, now())

    plan = Plan(interval_ms=trial.either(2000, 500))
    await disturb(trial, plan, race, within=0.1, keeps_sockets=True)
    trial.outcome.check_stream(await settled(stack, names), names)


async def _race_starts(trial: Trial, clients: Sequence[Client]) -> list[str]:
    """Repeatedly, one start over each of the `clients`; gives the runs of the winners."""
    outcome, wrong = trial.outcome, 0
    names: list[str] = []
    for room in new_rooms(trial, trial.either(200, 20)):
        terms = {"room": room, "from": 2, "interval_ms": 200}
        replies = await asyncio.gather(
            *(ask_over(client, "scheduler.start", **terms) for client in clients)
        )
        winner, *losers = sorted(replies, key=lambda reply: reply.code)
        wrong += sum(reply.code != 409 for reply in losers)
        codes = [reply.code for reply in (winner, *losers)]
        outcome.require(
            codes == [200, *(409 for _ in losers)], f"starts at once were answered {codes}"
        )
        if winner.code == 200:
            names.append(str(winner.body["run"]))
        runs = {reply.body["run"] for reply in losers if reply.code == 409}
        outcome.require(runs <= set(names[-1:]), "a loser got another run")
    outcome.worst("losing starts not answered 409", wrong)
    return names


async def _race_cancels(trial: Trial, clients: Sequence[Client]) -> list[str]:
    """A cancel for each of many runs when a tick of it is due; gives the runs."""
    outcome, wrong = trial.outcome, 0
    names: list[str] = []
    for _ in range(0, trial.either(60, 6), CANCELS_AT_ONCE):
        rooms = new_rooms(trial, CANCELS_AT_ONCE)
        results = await asyncio.gather(
            *(
                _cancel_at_a_tick(trial, room, clients[number % len(clients)])
                for number, room in enumerate(rooms)
            )
        )
        names += [name for name, _ in results]
        wrong += sum(code != 200 for _, code in results)
        for _, code in results:
            outcome.require(code == 200, f"a cancel at a tick's instant was answered {code}")
    by_run = history.by_run(await settled(trial.stack, names))
    for name in names:
        last = by_run[name][-1].type if name in by_run else "nothing"
        outcome.require(last == "cancelled", f"a run that was cancelled ends with {last}")
    outcome.worst("cancels not answered 200", wrong)
    return names


async def _cancel_at_a_tick(trial: Trial, room: str, client: Client) -> tuple[str, int]:
    """Start a run and cancel it at one of its ticks; gives its name and the answer's code."""
    starts_at = int(now()) + LEAD_MS + trial.random.randrange(CANCELLED_MS)
    terms = {"room": room, "starts_at": starts_at, "interval_ms": CANCELLED_MS}
    started = await ask_over(client, "scheduler.start", **terms)
    trial.outcome.require(started.code == 200, f"a start was answered {started.code}")
    due = starts_at + trial.random.randrange(1, 6) * CANCELLED_MS
    # Slightly before or after it: the append should be in flight.
    await asyncio.sleep((due + trial.random.uniform(-1.0, 2.0) - now()) / 1000)
    cancelled = await ask_over(client, "scheduler.cancel", room=room)
    return str(started.body.get("run")), cancelled.code


async def leader_killed(trial: Trial) -> None:
    stack = trial.stack
    victim = await in_step(trial)

    async def kill_and_restart() -> Fault:
        at = now()
        await victim.kill()
        await asyncio.sleep(trial.random.uniform(0.1, trial.either(5.0, 1.0)))
        await stack.start_nats()
        return Fault(at, now())

    plan = Plan(interval_ms=trial.either(700, 300))
    await disturb(trial, plan, kill_and_restart, keeps_sockets=True)
    await stack.ready()


async def in_step(trial: Trial, seconds: float = IN_STEP_SECONDS) -> AsyncNatsServer:
    """Wait until every server has the whole stream; gives the leader."""
    deadline = time.monotonic() + seconds
    while (info := await _stream(trial.stack)) is None or not _is_in_step(info):
        if time.monotonic() > deadline:
            raise RuntimeError(f"the servers are not in step: {info and info.cluster}")
        await asyncio.sleep(0.05)
    copies = info.config.num_replicas
    trial.outcome.require(copies == SERVERS, f"the stream is on {copies} of {SERVERS} servers")
    [leader] = [one for one in trial.stack.servers if one.name == _leader(info)]
    return leader


def _is_in_step(info: StreamInfo) -> bool:
    others = (info.cluster and info.cluster.replicas) or []
    return bool(_leader(info)) and all(one.current for one in others)


def _leader(info: StreamInfo) -> str | None:
    return info.cluster.leader if info.cluster else None


async def _stream(stack: Stack) -> StreamInfo | None:
    """The stream as its leader reports it; None while there is none."""
    async with stack.client(history.READER) as client:
        with suppress(nats.errors.Error, TimeoutError):
            return await client.jetstream(timeout=1.0).stream_info("COUNTDOWN")
    return None


SCENARIOS = [
    Scenario(
        "three-servers",
        "three NATS servers, the stream on each: 200 times three starts at the same instant, and "
        "60 cancels at the instant of a tick",
        "11 ticks once; one start gets 200, the others 409 and its run; every cancel gets 200 and "
        "is the last event of its run",
        raced,
        rounds=1,
        setup=THREE_SERVERS,
        late_limit_ms=250,
    ),
    Scenario(
        "leader-killed",
        "the stream's leader, one of three NATS servers, is killed (-9) and restarted",
        "11 ticks once; viewers keep their sockets; no service ends",
        leader_killed,
        rounds=5,
        setup=THREE_SERVERS,
        remark="Ticks that are due while the other two elect a leader are stored after it.",
    ),
]
