"""A stranger makes NATS itself write into a room's history, by the reply subject of a request.

The stranger's permissions do not prevent it, since the server publishes the reply: a message's
acknowledgement, an answer of its API, or, by a direct get, any message of the stream.
"""

import json
from contextlib import suppress

import nats.errors
from nats.aio.client import Client

from .. import history
from ..countdowns import Fault, Plan, ask, disturb, new_rooms, now, start
from ..scenario import Scenario, Trial
from ..viewers import until

FORGER = "a stranger"
KEPT_ENTRIES = 1000
"""How many entries of one room's history the stream keeps."""
AT_ONCE = 20
PATIENCE = 20.0


async def forged(trial: Trial) -> None:
    stack, outcome = trial.stack, trial.outcome
    *rooms, waiting, untouched = new_rooms(trial, 6)
    later = int(now()) + trial.either(25_000, 15_000)

    async def forge() -> Fault:
        at = now()
        async with stack.client() as forger:
            for room in rooms:
                state = (await ask(stack, "coordinator.room", room=room)).body["state"]
                assert isinstance(state, dict)
                terms = {key: state[key] for key in ("run", "from", "interval_ms", "starts_at")}
                await _write(forger, room, {**terms, "type": "cancelled", "remaining": 5})
            terms = {"run": "f" * 32, "from": 3, "interval_ms": 100, "starts_at": int(at)}
            await _write(forger, untouched, {**terms, "type": "started"})
            await _crowd_out(forger, waiting)
        return Fault(at, now())

    async with history.following(stack) as events:
        scheduled = await start(stack, waiting, starts_at=later, interval_ms=100)
        plan = Plan(interval_ms=trial.either(1000, 400))
        await disturb(trial, plan, forge, within=0.2, rooms=rooms, keeps_sockets=True)
        # A restarted scheduler knows only what is in the history.
        for scheduler in stack.schedulers:
            await scheduler.process.stop()
            await scheduler.process.start()
        await stack.ready()
        zero = scheduled, 0
        seconds = (later - now()) / 1000 + PATIENCE
        is_over = await until(
            lambda: any((event.run, event.remaining) == zero for event in events), seconds
        )
        outcome.require(is_over, "a scheduled run was crowded out of its room's history")
        outcome.check_stream(events, [scheduled])
        written = [event.type for event in events if event.by == FORGER]
        outcome.require(not written, f"a stranger's events are in the stream: {sorted(written)}")
        state = (await ask(stack, "coordinator.room", room=untouched)).body["state"]
        assert isinstance(state, dict)
        outcome.require(state["run"] is None, "a stranger has started a run without the schedulers")


async def _write(forger: Client, room: str, event: dict[str, object]) -> None:
    """Store a message that looks like an event, and have NATS send it to the room's history."""
    payload = json.dumps({**event, "room": room, "by": FORGER}).encode()
    shelf = f"countdown.shelf-of-{room}.message"
    await forger.request(shelf, payload)
    await forger.publish(f"$JS.API.DIRECT.GET.COUNTDOWN.{shelf}", reply=f"countdown.{room}.events")


async def _crowd_out(forger: Client, room: str) -> None:
    """Have so many messages acknowledged into the room's history that they replace the rest."""
    subject = f"countdown.{room}.events"
    acknowledged = await forger.subscribe(subject)
    for _ in range(0, KEPT_ENTRIES + 100, AT_ONCE):
        for _ in range(AT_ONCE):
            await forger.publish("countdown.shelf.message", b"hello", reply=subject)
        # Each batch after the previous one is stored: more at once would be a flood.
        with suppress(nats.errors.TimeoutError):
            for _ in range(AT_ONCE):
                await acknowledged.next_msg(timeout=1.0)
    await acknowledged.unsubscribe()


SCENARIOS = [
    Scenario(
        "forgery",
        "a stranger makes NATS reply into rooms' histories: 1,100 acknowledgements, and messages "
        "that look like events, by a direct get",
        "11 ticks once; nothing is started or cancelled; restarted schedulers know their runs",
        forged,
        rounds=2,
    )
]
