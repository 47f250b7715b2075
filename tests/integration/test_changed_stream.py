"""The stream is changed by an operator, or removes entries by itself, while a run is under way."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest
from nats.aio.client import Client
from nats.js.api import StreamConfig

from support.bus_client import ask, history
from support.served import Serve
from support.viewer import Frame, Viewer, is_last_tick, viewing
from support.waiting import until

STREAM = "COUNTDOWN"
EVENTS = "countdown.main.events"


async def purge_room(bus: Client) -> None:
    await bus.jetstream().purge_stream(STREAM, subject=EVENTS)


async def purge_all(bus: Client) -> None:
    await bus.jetstream().purge_stream(STREAM)


async def delete_last(bus: Client) -> None:
    last = await bus.jetstream().get_last_msg(STREAM, EVENTS)
    await bus.jetstream().delete_msg(STREAM, last.seq or 0)


async def age(bus: Client) -> None:
    stream = await bus.jetstream().stream_info(STREAM)
    await bus.jetstream().update_stream(stream.config.evolve(max_age=0.3, duplicate_window=0.1))

    async def is_too_old() -> bool:
        return (await bus.jetstream().stream_info(STREAM)).state.first_seq > stream.state.last_seq

    await until(is_too_old)
    await bus.jetstream().update_stream(stream.config)


HANDS = [purge_room, purge_all, delete_last, age]
Hand = Callable[[Client], Awaitable[None]]


async def state(bus: Client) -> dict[str, object]:
    return dict((await ask(bus, "coordinator.room"))[1]["state"])


@pytest.mark.parametrize("hand", HANDS)
async def test_a_run_goes_on_whatever_is_removed_under_it(
    serve_scheduler: Serve, serve_coordinator: Serve, bus: Client, hand: Hand
) -> None:
    await serve_scheduler()
    await serve_scheduler(instance="scheduler-2")
    async with viewing(await serve_coordinator()) as viewer:
        await ask(bus, "scheduler.start", interval_ms=300)
        await viewer.until(lambda f: f["type"] == "tick" and f["remaining"] == 8)
        await hand(bus)
        assert (await ask(bus, "scheduler.start"))[0] == 409
        await viewer.until(is_last_tick)
        assert viewer.ticks == list(range(10, -1, -1))
        assert viewer.seqs == sorted(viewer.seqs)
    assert (await ask(bus, "scheduler.start"))[0] == 200
    assert (await ask(bus, "scheduler.cancel"))[0] == 200


@pytest.mark.parametrize("hand", HANDS)
async def test_a_run_that_waits_is_stored_again_and_starts_though_all_are_restarted(
    serve_scheduler: Serve, serve_coordinator: Serve, bus: Client, hand: Hand
) -> None:
    scheduler = await serve_scheduler()
    async with viewing(await serve_coordinator()) as viewer:
        starts_at = int(time.time() * 1000) + 4000
        await ask(bus, "scheduler.start", starts_at=starts_at, interval_ms=100, **{"from": 3})
        await hand(bus)

        async def is_stored_again() -> bool:
            return [event["type"] for event in await history(bus)] == ["started"]

        await until(is_stored_again)
        await scheduler.close()
        await serve_scheduler(instance="scheduler-2")
        await viewer.until(is_last_tick)
        assert [f["type"] for f in viewer.frames if f["type"] in ("started", "hello")] == [
            "hello",
            "started",
        ]
        assert viewer.ticks == [3, 2, 1, 0]


@pytest.mark.parametrize("hand", [purge_room, purge_all, delete_last])
async def test_a_refused_append_is_no_hot_loop(
    serve_scheduler: Serve, bus: Client, hand: Hand
) -> None:
    from prometheus_client import REGISTRY

    def conflicts() -> float:
        sample = REGISTRY.get_sample_value("tminus_appends_total", {"outcome": "conflict"})
        return sample or 0.0

    await serve_scheduler()
    await serve_scheduler(instance="scheduler-2")
    before = conflicts()
    await ask(bus, "scheduler.start", interval_ms=1000, **{"from": 2})
    await hand(bus)

    async def is_over() -> bool:
        events = await history(bus)
        return bool(events) and events[-1].get("remaining") == 0

    await until(is_over)
    assert conflicts() - before < 50


@pytest.mark.parametrize("hand", [purge_room, purge_all, age])
async def test_where_no_scheduler_knows_of_a_run_any_more_its_viewers_are_told_within_two_seconds(
    serve_scheduler: Serve, serve_coordinator: Serve, bus: Client, hand: Hand
) -> None:
    scheduler = await serve_scheduler()
    async with viewing(await serve_coordinator()) as viewer:
        await ask(bus, "scheduler.start", interval_ms=60_000)
        await viewer.until(lambda f: f["type"] == "tick")
        await scheduler.close()
        await hand(bus)
        await serve_scheduler(instance="scheduler-2")
        hello = await asyncio.wait_for(_hello(viewer), 2)
        assert hello["state"]["status"] == "idle"
        assert (await state(bus))["status"] == "idle"
        assert (await ask(bus, "scheduler.start", interval_ms=100, **{"from": 2}))[0] == 200
        await viewer.until(is_last_tick)


async def _hello(viewer: Viewer) -> Frame:
    return await viewer.until(lambda f: f["type"] == "hello")


async def test_an_existing_stream_is_brought_to_what_the_settings_want(
    serve_scheduler: Serve, bus: Client
) -> None:
    await bus.jetstream().add_stream(
        StreamConfig(name=STREAM, subjects=["countdown.*.events"], max_age=60)
    )
    await serve_scheduler(stream_max_bytes=5_000_000)
    config = (await bus.jetstream().stream_info(STREAM)).config
    assert config.max_bytes == 5_000_000
    assert config.max_msgs_per_subject == 1000
    assert config.max_age == 7 * 24 * 60 * 60
    assert config.duplicate_window == 120
    assert sorted(config.subjects or []) == ["countdown.*.events", "countdown.*.message"]
    assert config.allow_direct


async def test_three_replicas_where_there_is_one_server_are_said_to_be_missing(
    serve_scheduler: Serve,
) -> None:
    server = await serve_scheduler(is_ready=False, stream_replicas=3)
    import aiohttp

    async with aiohttp.ClientSession() as session:

        async def is_said() -> bool:
            async with session.get(server.make_url("/readyz")) as response:
                return "replicas" in (await response.json()).get("reason", "")

        await until(is_said)
