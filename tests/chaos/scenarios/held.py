"""Schedulers are killed while runs are held: the one that stored a hold, then all of them, after
the runs were recycled."""

import asyncio
from contextlib import AsyncExitStack
from functools import partial

from ..changing import Change, ask_twice, check_changes, new_change
from ..countdowns import Fault, Plan, disturb, new_rooms, now
from ..scenario import Scenario, Trial
from ..stack import Stack, running


async def killed_while_held(trial: Trial) -> None:
    stack, outcome, rooms = trial.stack, trial.outcome, new_rooms(trial, 4)
    changes: list[Change] = []

    async def hold_kill_and_resume() -> Fault:
        began = now()
        async with AsyncExitStack() as leaving:
            clients = [await leaving.enter_async_context(stack.client()) for _ in range(2)]

            async def in_every_room(kind: str, **fields: object) -> list[Change]:
                made = [new_change(trial, kind, room) for room in rooms]
                changes.extend(made)
                await asyncio.gather(*(ask_twice(trial, clients, one, **fields) for one in made))
                outcome.require(all(one.is_done for one in made), f"a {kind} was refused")
                return made

            first, *_ = await in_every_room("hold")
            assert first.reply is not None
            holder = stack.services[str(first.reply.body["by"])]
            await holder.process.kill()
            await in_every_room("resume")
            await holder.process.start()
            await stack.ready()

            await in_every_room("hold")
            await in_every_room("recycle", to=trial.random.randrange(2, 13))
            await asyncio.gather(*(one.process.kill() for one in stack.schedulers))
            lost = [new_change(trial, "resume", room) for room in rooms]
            changes.extend(lost)
            await asyncio.gather(*(one.ask(clients[0]) for one in lost))
            codes = {reply.code for one in lost for _, reply in one.replies}
            codes |= set(await asyncio.gather(*(_ask_the_frontend(stack, one) for one in lost)))
            outcome.require(codes == {503}, f"with no scheduler, a resume was answered {codes}")
            await asyncio.sleep(trial.random.uniform(0.1, trial.either(3.0, 0.5)))
            for one in stack.schedulers:
                await one.process.start()
            await stack.ready()
            await asyncio.gather(*(ask_twice(trial, clients, one) for one in lost))
            outcome.require(all(one.is_done for one in lost), "a resume was refused")
        return Fault(began, now())

    events = await disturb(
        trial, Plan(), hold_kill_and_resume, within=0.6, keeps_sockets=True, rooms=rooms
    )
    check_changes(outcome, changes, events)


async def _ask_the_frontend(stack: Stack, made: Change) -> int:
    path = f"/api/rooms/{made.room}/countdown/{made.kind}"
    url = stack.services["frontend-1"].url(path)
    async with stack.http.post(url, json={"id": made.id}) as answer:
        return answer.status


SCENARIOS = [
    Scenario(
        "killed-while-held",
        "runs are held, and the scheduler that stored a hold is killed (-9), then all of them; "
        "the runs are resumed, recycled, and resumed while no scheduler lives",
        "every number once between two changes, each as much later as the run was held; with no "
        "scheduler a resume gets 503 and does nothing, asked again with the same id it is done "
        "once",
        killed_while_held,
        rounds=5,
        setup=partial(running, frontends=1),
        late_limit_ms=30,
    )
]
