"""What a viewer may do, and how its connection ends when it does something else."""

import asyncio

import pytest
from nats.aio.client import Client

from support.bus_client import ask
from support.served import Serve, metric
from support.viewer import is_last_tick, viewing
from support.waiting import until


async def test_a_ping_is_answered_with_the_server_s_time(serve_coordinator: Serve) -> None:
    async with viewing(await serve_coordinator()) as viewer:
        hello = await viewer.frame()
        await viewer.socket.send_json({"type": "ping", "id": 7})
        pong = await viewer.until(lambda f: f["type"] == "pong")
    assert pong["id"] == 7
    assert 0 <= pong["server_time"] - hello["server_time"] < 10_000
    assert isinstance(pong["server_time"], float)


async def test_viewers_are_counted_over_all_coordinators(
    serve_coordinator: Serve, bus: Client
) -> None:
    first, second = await serve_coordinator(), await serve_coordinator(instance="coordinator-2")
    async with viewing(first) as one, viewing(second), viewing(second):
        await one.until(lambda f: f["type"] == "viewers" and f["count"] == 3)
        assert (await ask(bus, "coordinator.room"))[1]["viewers"] == 3
    async with viewing(first) as one:
        hello = await one.frame()
        if hello["viewers"] != 1:
            await one.until(lambda f: f["type"] == "viewers" and f["count"] == 1)


async def test_viewers_of_another_room_are_not_counted(serve_coordinator: Serve) -> None:
    server = await serve_coordinator()
    async with viewing(server, room="quiz"), viewing(server, room="launch") as viewer:
        hello = await viewer.frame()
        assert (hello["room"], hello["viewers"]) == ("launch", 1)


async def test_what_screens_report_is_summed_over_all_coordinators(
    serve_coordinator: Serve, bus: Client
) -> None:
    first, second = await serve_coordinator(), await serve_coordinator(instance="coordinator-2")
    async with viewing(first) as one, viewing(second) as two, viewing(second) as silent:
        for viewer, seq, error in ((one, 0, 3), (two, 0, 18)):
            await viewer.socket.send_json({"type": "ping", "id": 1, "seq": seq, "error_ms": error})
            await viewer.until(lambda f: f["type"] == "pong")
        await silent.frame()

        async def is_summed() -> bool:
            _, room = await ask(bus, "coordinator.room")
            return bool(room["screens"] == {"reporting": 2, "in_step": 2, "worst_error_ms": 18})

        await until(is_summed)


async def test_a_screen_that_shows_an_old_number_is_not_in_step(
    serve_scheduler: Serve, serve_coordinator: Serve, bus: Client
) -> None:
    await serve_scheduler()
    async with viewing(await serve_coordinator()) as viewer:
        await ask(bus, "scheduler.start", interval_ms=100)
        await viewer.until(lambda f: f["type"] == "tick" and f["remaining"] == 2)
        await viewer.socket.send_json({"type": "ping", "id": 1, "seq": 1, "error_ms": 2})
        await viewer.until(lambda f: f["type"] == "pong")

        async def is_told() -> bool:
            _, room = await ask(bus, "coordinator.room")
            return bool(room["screens"] == {"reporting": 1, "in_step": 0, "worst_error_ms": 2})

        await until(is_told)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ("hello", 1003),
        ('{"type":"pong","id":1}', 1003),
        ('{"type":"tick","remaining":0}', 1003),
        ("[" * 1000, 1003),
        # The reason quotes it, and a close frame has no place for all of it.
        ('{"type":"' + "\N{FIRE}" * 100 + '","id":1}', 1003),
        (b'{"type":"ping","id":1}', 1003),
        ("x" * 1025, 1009),
    ],
)
async def test_anything_but_a_ping_ends_the_connection(
    serve_coordinator: Serve, sent: str | bytes, code: int
) -> None:
    async with viewing(await serve_coordinator()) as viewer:
        if isinstance(sent, str):
            await viewer.socket.send_str(sent)
        else:
            await viewer.socket.send_bytes(sent)
        assert await viewer.closed() == code


async def test_more_than_ten_frames_a_second_end_the_connection(serve_coordinator: Serve) -> None:
    async with viewing(await serve_coordinator()) as viewer:
        for n in range(11):
            await viewer.socket.send_json({"type": "ping", "id": n})
        assert await viewer.closed() == 1008
        assert len([f for f in viewer.frames if f["type"] == "pong"]) <= 10


async def test_viewers_are_told_to_come_back_when_their_coordinator_stops(
    serve_coordinator: Serve,
) -> None:
    server = await serve_coordinator()
    async with viewing(server) as viewer:
        await viewer.frame()
        closing = asyncio.create_task(server.close())
        bye = await viewer.until(lambda f: f["type"] == "bye")
        assert bye["reconnect_ms"] >= 500
        assert await viewer.closed() == 1001
        await closing


async def test_messages_reach_every_viewer_as_text(serve_coordinator: Serve, bus: Client) -> None:
    async with viewing(await serve_coordinator()) as viewer:
        await bus.publish("countdown.main.message", b"hello")
        await bus.publish("countdown.main.message", b'{"text":"hello, too"}')
        first = await viewer.until(lambda f: f["type"] == "message")
        second = await viewer.until(lambda f: f["type"] == "message")
    assert (first["text"], second["text"]) == ("hello", "hello, too")
    assert abs(first["at"] - viewer.frames[0]["server_time"]) < 10_000


async def test_garbage_on_the_bus_is_counted_and_dropped(
    serve_scheduler: Serve, serve_coordinator: Serve, bus: Client
) -> None:
    server = await serve_coordinator()
    names = [f'tminus_dropped_total{{kind="{k}"}}' for k in ("events", "message")]
    before = [await metric(server, name) for name in names]
    async with viewing(server) as viewer:
        for subject, payload in (
            ("countdown.main.events", b"\xff\x00"),
            ("countdown.main.events", b'{"type":"tick","room":"main"}'),
            ("countdown.main.message", b"\xff\xfe"),
            ("countdown.main.message", b"x" * 5000),
            ("countdown.UPPER.message", b"hello"),
            ("countdown.main.message", b"no garbage"),
        ):
            await bus.publish(subject, payload)
        message = await viewer.until(lambda f: f["type"] == "message")
        assert message["text"] == "no garbage"
        after = [await metric(server, name) for name in names]
        assert [b - a for a, b in zip(before, after, strict=True)] == [2, 2]
        await serve_scheduler()
        assert (await ask(bus, "scheduler.start", interval_ms=100))[0] == 200
        await viewer.until(is_last_tick)
    assert viewer.ticks == list(range(10, -1, -1))
