"""A stranger has NATS itself write into a room's history: it answers wherever it is asked to.

No permission of the stranger's stands in the way, since it is the server that publishes the answer:
the acknowledgement of a message, what its API says, or, by a direct get, any message of the stream.
"""

import json
from contextlib import suppress

import nats.errors
from nats.aio.client import Client

from . import truth
from .countdowns import Harm, Plan, ask, disturb, new_rooms, now, start
from .row import Row, Trial
from .viewers import until

FORGER = "a stranger"
KEPT_ENTRIES = 1000
"""How many entries of one room's history the stream keeps."""
AT_ONCE = 20
PATIENCE = 20.0


async def forged(trial: Trial) -> None:
    stack, outcome = trial.stack, trial.outcome
    *rooms, waiting, untouched = new_rooms(trial, 6)
    later = int(now()) + trial.either(25_000, 15_000)

    async def forge() -> Harm:
        at = now()
        async with stack.client() as who:
            for room in rooms:
                state = (await ask(stack, "coordinator.room", room=room)).body["state"]
                assert isinstance(state, dict)
                terms = {key: state[key] for key in ("run", "from", "interval_ms", "starts_at")}
                await _write(who, room, {**terms, "type": "cancelled", "remaining": 5})
            terms = {"run": "f" * 32, "from": 3, "interval_ms": 100, "starts_at": int(at)}
            await _write(who, untouched, {**terms, "type": "started"})
            await _crowd_out(who, waiting)
        return Harm(at, now())

    async with truth.following(stack) as facts:
        scheduled = await start(stack, waiting, starts_at=later, interval_ms=100)
        plan = Plan(interval_ms=trial.either(1000, 400))
        await disturb(trial, plan, forge, within=0.2, rooms=rooms, keeps_sockets=True)
        # Who has only just started knows what the history says, and nothing else.
        for scheduler in stack.schedulers:
            await scheduler.process.stop()
            await scheduler.process.start()
        await stack.ready()
        zero = scheduled, 0
        seconds = (later - now()) / 1000 + PATIENCE
        is_over = await until(
            lambda: any((fact.run, fact.remaining) == zero for fact in facts), seconds
        )
        outcome.demand(is_over, "a scheduled run was crowded out of its room's history")
        outcome.judge_stream(facts, [scheduled])
        written = [fact.type for fact in facts if fact.by == FORGER]
        outcome.demand(not written, f"a stranger's events are in the stream: {sorted(written)}")
        state = (await ask(stack, "coordinator.room", room=untouched)).body["state"]
        assert isinstance(state, dict)
        outcome.demand(state["run"] is None, "a stranger has started a run past the schedulers")


async def _write(who: Client, room: str, event: dict[str, object]) -> None:
    """Store a message that reads as an event, and have it sent to the room's history."""
    payload = json.dumps({**event, "room": room, "by": FORGER}).encode()
    shelf = f"countdown.shelf-of-{room}.message"
    await who.request(shelf, payload)
    wanted = json.dumps({"last_by_subj": shelf}).encode()
    await who.publish("$JS.API.DIRECT.GET.COUNTDOWN", wanted, reply=f"countdown.{room}.events")


async def _crowd_out(who: Client, room: str) -> None:
    """Have so many messages acknowledged into the room's history that nothing else is left."""
    history = f"countdown.{room}.events"
    acknowledged = await who.subscribe(history)
    for _ in range(0, KEPT_ENTRIES + 100, AT_ONCE):
        for _ in range(AT_ONCE):
            await who.publish("countdown.shelf.message", b"hello", reply=history)
        # Each as soon as those before it are stored: more at once would be a flood.
        with suppress(nats.errors.TimeoutError):
            for _ in range(AT_ONCE):
                await acknowledged.next_msg(timeout=1.0)
    await acknowledged.unsubscribe()


ROWS = [
    Row(
        "forgery",
        "a stranger has NATS answer into rooms' histories: 1,100 acknowledgements, and messages "
        "that read as events, by a direct get",
        "11 once; nothing is started or cancelled; schedulers that are restarted know what they "
        "knew",
        forged,
        rounds=2,
    )
]
