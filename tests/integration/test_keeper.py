"""Runs that wait for longer than the stream keeps an event, which is some seconds here."""

import asyncio
import json
import time
from collections import defaultdict
from itertools import pairwise

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from prometheus_client import REGISTRY

from bus import stream
from support.bus_client import ask, history
from support.served import Serve
from support.viewer import is_last_tick, viewing
from support.waiting import until

KEPT_SECONDS = 4
OLD_SECONDS = KEPT_SECONDS / 2
WAITING = {"scheduled": "started", "held": "held", "planned": "tick", "running": "tick"}
"""The rooms, each with the type of its last event."""
TICKS = 5
"""How many ticks there are: one in three of the rooms, and two of the run that is over."""


@pytest.fixture(autouse=True)
def short_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "KEPT_SECONDS", KEPT_SECONDS)
    monkeypatch.setattr(stream, "DUPLICATES_SECONDS", 1)


async def wait_in_every_way(bus: Client) -> None:
    """A run in each of the rooms, and one that is over in another one."""
    await ask(bus, "scheduler.start", room="over", interval_ms=100, **{"from": 1})
    starts_at = int(time.time() * 1000) + 600_000
    await ask(bus, "scheduler.start", room="scheduled", starts_at=starts_at)
    for room, holds in (("held", []), ("planned", [{"at": 10, "for_ms": 600_000}])):
        await ask(bus, "scheduler.start", room=room, interval_ms=60_000, holds=holds)
    await ask(bus, "scheduler.start", room="running", interval_ms=60_000)
    await until_last(bus, "planned", "tick")
    await until_last(bus, "running", "tick")
    assert (await ask(bus, "scheduler.hold", room="held"))[0] == 200


def ticks_timed() -> float:
    """Of how many ticks schedulers have measured how late they were stored."""
    return REGISTRY.get_sample_value("tminus_tick_stored_late_seconds_count") or 0.0


async def until_last(bus: Client, room: str, kind: str) -> None:
    async def is_last() -> bool:
        return [event["type"] for event in await history(bus, room)][-1:] == [kind]

    await until(is_last)


async def until_gone(bus: Client) -> None:
    """Wait until the stream keeps nothing of what it holds now."""
    last = (await bus.jetstream().stream_info("COUNTDOWN")).state.last_seq

    async def is_gone() -> bool:
        return (await bus.jetstream().stream_info("COUNTDOWN")).state.first_seq > last

    await until(is_gone, KEPT_SECONDS + 10)


async def test_runs_that_wait_outlive_what_the_stream_keeps_also_if_all_schedulers_are_restarted(
    serve_scheduler: Serve, serve_coordinator: Serve, bus: Client
) -> None:
    stored: dict[str, list[tuple[float, bytes]]] = defaultdict(list)
    timed = ticks_timed()

    async def note(message: Msg) -> None:
        stored[message.subject.split(".")[1]].append((time.monotonic(), message.data))

    await bus.subscribe("live.*.events", cb=note)
    schedulers = [await serve_scheduler(), await serve_scheduler(instance="scheduler-2")]
    coordinator = await serve_coordinator()
    await wait_in_every_way(bus)
    async with viewing(coordinator, room="held") as viewer:
        hello = await viewer.frame()
        await viewer.until(lambda frame: frame["type"] == "held")
        await until_gone(bus)
        await asyncio.gather(*(scheduler.close() for scheduler in schedulers))
        await serve_scheduler(instance="scheduler-3")
        await until_gone(bus)
        async with viewing(coordinator, room="held") as late:
            assert (await late.frame())["state"] == hello["state"]

    for room, kind in WAITING.items():
        times = [at for at, data in stored[room] if json.loads(data)["type"] == kind]
        assert len(times) >= 3
        assert len({data for _, data in stored[room][-2:]}) == 1, "it is the same event"
        pauses = [after - before for before, after in pairwise(times)]
        assert min(pauses) > OLD_SECONDS - 0.5, "each time one scheduler stores it"
        assert [event["type"] for event in await history(bus, room)][-1] == kind
    assert ticks_timed() - timed == TICKS, "one that is stored again is not late"
    assert await history(bus, "over") == []
    frames = [frame for frame in viewer.frames if frame["type"] == "held"]
    assert len(frames) == 1, "viewers are not told what they know"

    status = {"planned": "held"}
    for room in WAITING:
        _, reply = await ask(bus, "coordinator.room", room=room)
        assert reply["state"]["status"] == status.get(room, room)
        code, cancelled = await ask(bus, "scheduler.cancel", room=room)
        assert (code, cancelled["by"]) == (200, "scheduler-3")


async def test_a_run_that_counts_on_after_zero_does_so_for_as_long_as_the_stream_keeps_its_end(
    serve_scheduler: Serve, serve_coordinator: Serve, bus: Client
) -> None:
    """It is over, so nothing of it is stored again; whoever watches is told when it is gone."""
    await serve_scheduler()
    coordinator = await serve_coordinator()
    async with viewing(coordinator) as viewer:
        await ask(bus, "scheduler.start", interval_ms=100, after_zero="count", **{"from": 1})
        await viewer.until(is_last_tick)
        zero_at = time.monotonic()
        hello = await viewer.until(lambda frame: frame["type"] == "hello" and not frame["complete"])
        assert time.monotonic() - zero_at > KEPT_SECONDS - 1
        assert hello["state"]["status"] == "idle"
    assert await history(bus) == []
    assert (await ask(bus, "scheduler.cancel"))[0] == 404
