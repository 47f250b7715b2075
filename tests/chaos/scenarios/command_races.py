"""Commands that race: two starts at the same instant, a cancel between ticks."""

import asyncio

from .. import history
from ..countdowns import ask_over, new_rooms, settled, start
from ..scenario import Scenario, Trial

AT_ONCE = 25


async def two_starts(trial: Trial) -> None:
    rooms = new_rooms(trial, AT_ONCE)
    names = []
    async with trial.stack.client() as one, trial.stack.client() as other:
        for room in rooms:
            terms = {"room": room, "from": 2, "interval_ms": 200}
            replies = await asyncio.gather(
                *(ask_over(client, "scheduler.start", **terms) for client in (one, other))
            )
            codes = sorted(reply.code for reply in replies)
            trial.outcome.require(codes == [200, 409], f"two starts were answered {codes}")
            runs = {str(reply.body.get("run")) for reply in replies}
            trial.outcome.require(len(runs) == 1, "the loser got another run")
            names.append(str(min(replies, key=lambda reply: reply.code).body.get("run")))
    events = await settled(trial.stack, names)
    trial.outcome.check_stream(events, names)
    in_these = {event.run for event in events if event.room in rooms}
    trial.outcome.require(in_these == set(names), "the stream has another run, too")


async def cancel_anytime(trial: Trial) -> None:
    rooms, interval_ms = new_rooms(trial, trial.either(50, 20)), trial.either(250, 100)
    async with trial.stack.client() as client:

        async def start_and_cancel(room: str) -> tuple[str, int]:
            # Spread over a second, so that the runs do not compete.
            await asyncio.sleep(trial.random.random())
            name = await start(trial.stack, room, interval_ms=interval_ms)
            await asyncio.sleep(trial.random.uniform(0.0, interval_ms / 100))
            return name, (await ask_over(client, "scheduler.cancel", room=room)).code

        results = await asyncio.gather(*map(start_and_cancel, rooms))
    names, codes = [name for name, _ in results], [code for _, code in results]
    events = await settled(trial.stack, names)
    trial.outcome.check_stream(events, names)
    by_run = history.by_run(events)
    for name, code in results:
        trial.outcome.require(code in (200, 404, 503), f"a cancel was answered {code}")
        trial.outcome.worst("cancels answered 503 by a slow stream", codes.count(503))
        was_cancelled = by_run[name][-1].type == "cancelled"
        if code != 503:  # which leaves open whether it was stored
            trial.outcome.require(
                was_cancelled == (code == 200), f"run {name}: the cancel was answered {code}"
            )


SCENARIOS = [
    Scenario(
        "two-starts",
        "two starts at the same instant, 100 times",
        "one run each time; the loser gets 409 and the winner's run",
        two_starts,
        rounds=4,
    ),
    Scenario(
        "cancel",
        "a cancel at a random instant, 200 times, with two schedulers",
        "no tick after the cancel in the stream",
        cancel_anytime,
        rounds=4,
    ),
]
