"""A countdown from its start to zero, as viewers of several coordinators see it."""

import asyncio
import time

import pytest
from nats.aio.client import Client

from protocol import events
from protocol.events import Started
from support.bus_client import ask, history
from support.served import Serve
from support.viewer import is_last_tick, viewing
from support.waiting import until

FAST = {"interval_ms": 100}


async def test_two_viewers_on_two_coordinators_see_the_same_eleven_ticks(
    serve_scheduler: Serve, serve_coordinator: Serve, bus: Client
) -> None:
    await serve_scheduler()
    first, second = await serve_coordinator(), await serve_coordinator(instance="coordinator-2")
    async with viewing(first) as one, viewing(second) as two:
        assert (await one.frame())["state"]["status"] == "idle"
        assert (await two.frame())["type"] == "hello"
        code, started = await ask(bus, "scheduler.start", **FAST)
        assert (code, started["type"], started["from"]) == (200, "started", 10)
        await asyncio.gather(one.until(is_last_tick), two.until(is_last_tick))
    assert one.ticks == two.ticks == list(range(10, -1, -1))
    assert one.seqs == two.seqs == sorted(one.seqs)
    ticks = [frame for frame in one.frames if frame["type"] == "tick"]
    assert [tick["due"] - started["starts_at"] for tick in ticks] == [k * 100 for k in range(11)]
    assert all(tick["emitted"] >= tick["due"] for tick in ticks)


async def test_the_stream_holds_what_the_viewers_saw(
    serve_scheduler: Serve, serve_coordinator: Serve, bus: Client
) -> None:
    await serve_scheduler()
    async with viewing(await serve_coordinator()) as viewer:
        await ask(bus, "scheduler.start", **FAST)
        await viewer.until(is_last_tick)
    told = [f for f in viewer.frames if f["type"] in ("started", "tick")]
    assert told == await history(bus)


async def test_a_viewer_that_comes_back_has_all_eleven_once(
    serve_scheduler: Serve, serve_coordinator: Serve, bus: Client
) -> None:
    await serve_scheduler()
    server = await serve_coordinator()
    async with viewing(server) as before:
        hello = await before.frame()
        await ask(bus, "scheduler.start", **FAST)
        last = await before.until(lambda f: f["type"] == "tick" and f["remaining"] == 7)
    async with viewing(server) as meanwhile:
        await meanwhile.until(lambda f: f["type"] == "tick" and f["remaining"] == 4)
    async with viewing(server, epoch=hello["epoch"], after=last["seq"]) as after:
        again = await after.frame()
        assert again["complete"]
        assert again["replayed"] >= 3
        await after.until(is_last_tick)
    assert before.ticks + after.ticks == list(range(10, -1, -1))


async def test_a_viewer_that_comes_late_gets_the_run_so_far(
    serve_scheduler: Serve, serve_coordinator: Serve, bus: Client
) -> None:
    await serve_scheduler()
    server = await serve_coordinator()
    await bus.publish("countdown.main.message", b"welcome")
    async with viewing(server) as early:
        await ask(bus, "scheduler.start", **FAST)
        await early.until(lambda f: f["type"] == "tick" and f["remaining"] == 5)
        async with viewing(server) as late:
            hello = await late.frame()
            assert hello["state"]["status"] == "running"
            assert hello["state"]["remaining"] <= 5
            await late.until(is_last_tick)
    assert late.ticks == list(range(10, -1, -1))
    assert [f["text"] for f in late.frames if f["type"] == "message"] == ["welcome"]


async def test_a_viewer_of_another_stream_is_told_the_state_and_that_it_is_not_complete(
    serve_scheduler: Serve, serve_coordinator: Serve, bus: Client
) -> None:
    await serve_scheduler()
    server = await serve_coordinator()
    async with viewing(server) as watching:
        await ask(bus, "scheduler.start", interval_ms=100, **{"from": 2})
        await watching.until(is_last_tick)
    async with viewing(server, epoch="another", after=3) as viewer:
        hello = await viewer.frame()
    assert not hello["complete"]
    assert (hello["state"]["status"], hello["replayed"]) == ("finished", 4)


async def test_a_second_start_gets_409_and_the_run_under_way(
    serve_scheduler: Serve, bus: Client
) -> None:
    await serve_scheduler()
    _, started = await ask(bus, "scheduler.start")
    code, under_way = await ask(bus, "scheduler.start")
    assert (code, under_way["run"]) == (409, started["run"])


async def test_of_two_starts_at_once_one_wins_and_the_other_is_told_of_it(
    serve_scheduler: Serve, bus: Client
) -> None:
    await serve_scheduler()
    await serve_scheduler(instance="scheduler-2")
    for n in range(20):
        answers = await asyncio.gather(
            *(ask(bus, "scheduler.start", room=f"race-{n}") for _ in range(4))
        )
        assert sorted(code for code, _ in answers) == [200, 409, 409, 409]
        assert len({event["run"] for _, event in answers}) == 1


async def test_no_tick_comes_after_a_cancel(
    serve_scheduler: Serve, serve_coordinator: Serve, bus: Client
) -> None:
    await serve_scheduler()
    await serve_scheduler(instance="scheduler-2")
    async with viewing(await serve_coordinator()) as viewer:
        await ask(bus, "scheduler.start", **FAST)
        seen = await viewer.until(lambda f: f["type"] == "tick" and f["remaining"] == 8)
        code, cancelled = await ask(bus, "scheduler.cancel")
        assert (code, cancelled["run"]) == (200, seen["run"])
        await viewer.until(lambda f: f["type"] == "cancelled")
        # A run that is started now would come after any tick of the cancelled one.
        await ask(bus, "scheduler.start", **{"from": 1}, **FAST)
        await viewer.until(lambda f: is_last_tick(f) and f["run"] != seen["run"])
    events = [(e["type"], e["run"]) for e in await history(bus)]
    assert ("tick", seen["run"]) not in events[events.index(("cancelled", seen["run"])) :]


async def test_a_cancel_before_the_first_tick_says_so(serve_scheduler: Serve, bus: Client) -> None:
    await serve_scheduler()
    _, started = await ask(bus, "scheduler.start")
    await ask(bus, "scheduler.cancel")
    _, later = await ask(bus, "scheduler.start", starts_at=started["starts_at"] + 3_600_000)
    assert later["type"] == "started"
    _, cancelled = await ask(bus, "scheduler.cancel")
    assert cancelled["remaining"] is None


@pytest.mark.parametrize(
    ("subject", "request_", "code"),
    [
        ("scheduler.start", {"from": "ten"}, 400),
        ("scheduler.start", {"room": "../x"}, 400),
        ("scheduler.cancel", {"room": "nothing-here"}, 404),
        ("scheduler.cancel", {"room": 3}, 400),
    ],
)
async def test_a_request_that_can_not_be_met_gets_its_code(
    serve_scheduler: Serve, bus: Client, subject: str, request_: dict[str, object], code: int
) -> None:
    await serve_scheduler()
    assert (await ask(bus, subject, **request_))[0] == code


async def test_three_schedulers_store_every_tick_once(serve_scheduler: Serve, bus: Client) -> None:
    for n in range(3):
        await serve_scheduler(instance=f"scheduler-{n}")
    await asyncio.gather(
        *(ask(bus, "scheduler.start", room=f"room-{n}", interval_ms=100) for n in range(10))
    )
    async with asyncio.timeout(10):
        while len(await history(bus, "room-9")) < 12 or len(await history(bus, "room-0")) < 12:
            await asyncio.sleep(0.2)
    for n in range(10):
        ticks = [e["remaining"] for e in await history(bus, f"room-{n}") if e["type"] == "tick"]
        assert ticks == list(range(10, -1, -1))


@pytest.mark.parametrize(("rooms", "least_ms"), [(1, 15), (60, 15 + 59)])
async def test_a_replica_that_has_many_ticks_at_once_is_given_the_time(
    serve_scheduler: Serve, bus: Client, rooms: int, least_ms: int
) -> None:
    await serve_scheduler(instance="scheduler-2")
    starts_at = int(time.time() * 1000) + 500
    for number in range(rooms):
        started = Started(
            room=f"room-{number}",
            run="run-1",
            from_=1,
            interval_ms=100,
            starts_at=starts_at,
            by="scheduler-1",  # which died after that
        )
        await bus.jetstream().publish(f"countdown.room-{number}.events", events.encode(started))
    first_ticks = []
    for number in range(rooms):

        async def has_ticked(room: str = f"room-{number}") -> bool:
            entries = await history(bus, room)
            first_ticks.extend(entries[1:2])
            return len(entries) > 1

        await until(has_ticked)
    waited_ms = [tick["emitted"] - tick["due"] for tick in first_ticks]
    assert len(waited_ms) == rooms
    # Who has taken a room over leaves one less in the queue of the one that died.
    assert max(waited_ms) >= least_ms
    assert min(waited_ms) >= 15
