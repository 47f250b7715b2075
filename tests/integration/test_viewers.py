"""What a viewer may do, and how its connection ends when it does something else."""

import asyncio
import json

import aiohttp
import pytest
from aiohttp.test_utils import TestServer
from nats.aio.client import Client

from support.bus_client import ask
from support.served import Serve, metric
from support.viewer import UPGRADE, is_last_tick, viewing
from support.waiting import WAIT_SECONDS, until


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


async def status(server: TestServer, path: str, **headers: str) -> int:
    return (await handshake(server, path, **headers)).status


async def handshake(server: TestServer, path: str, **headers: str) -> aiohttp.ClientResponse:
    async with (
        aiohttp.ClientSession() as session,
        session.get(server.make_url(path), headers=UPGRADE | headers) as response,
    ):
        return response


@pytest.mark.parametrize("path", ["/ws/connect", "/sse/connect"])
async def test_a_handshake_that_is_refused_says_why_by_its_status(
    serve_coordinator: Serve, path: str
) -> None:
    server = await serve_coordinator()
    assert await status(server, f"{path}?room=../x") == 400
    assert await status(server, f"{path}?after=seven") == 400
    assert await status(server, path, Origin="https://elsewhere.example") == 403


@pytest.mark.parametrize("version", ["", "7", "8", "14"])
async def test_another_version_of_the_web_socket_is_told_which_one_it_takes(
    serve_coordinator: Serve, version: str
) -> None:
    server = await serve_coordinator()
    upgrade = UPGRADE | {"Sec-WebSocket-Version": version}
    async with (
        aiohttp.ClientSession() as session,
        session.get(server.make_url("/ws/connect"), headers=upgrade) as response,
    ):
        assert response.status == 426
        assert response.headers["Sec-WebSocket-Version"] == "13"


@pytest.mark.parametrize("path", ["/ws/connect", "/sse/connect"])
async def test_a_viewer_over_http_1_0_is_refused(serve_coordinator: Serve, path: str) -> None:
    server = await serve_coordinator()
    reader, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(
        f"GET {path} HTTP/1.0\r\nHost: localhost\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    answer = await asyncio.wait_for(reader.readline(), WAIT_SECONDS)
    assert answer.split()[1] == b"505"
    writer.close()


async def test_pages_of_other_sites_may_connect_where_they_are_named(
    serve_coordinator: Serve,
) -> None:
    server = await serve_coordinator(
        app_env="production", allowed_origins="https://stage.example, https://hall.example"
    )
    for origin, expected in {
        "https://hall.example": 101,
        f"http://{server.host}:{server.port}": 101,
        "http://localhost:8080": 403,
        "https://hall.example.evil": 403,
        "null": 403,
    }.items():
        if expected == 101:
            async with (
                aiohttp.ClientSession() as session,
                session.ws_connect(server.make_url("/ws/connect"), origin=origin) as socket,
            ):
                assert json.loads((await socket.receive()).data)["type"] == "hello"
        else:
            assert await status(server, "/ws/connect", Origin=origin) == 403


async def test_a_full_coordinator_says_so(serve_coordinator: Serve) -> None:
    server = await serve_coordinator(max_viewers=2)
    async with viewing(server), viewing(server):
        assert await status(server, "/ws/connect") == 503
        assert await status(server, "/sse/connect") == 503
    async with viewing(server) as viewer:
        assert (await viewer.frame())["type"] == "hello"


async def test_an_address_has_no_more_viewers_than_it_may_and_others_have_theirs(
    serve_coordinator: Serve,
) -> None:
    server = await serve_coordinator(max_viewers_per_address=2, trusted_proxies="127.0.0.1")
    there = {"X-Forwarded-For": "2001:db8::1"}
    neighbour = {"X-Forwarded-For": "2001:db8::2"}
    for path in ("/ws/connect", "/sse/connect"):
        async with viewing(server, there), viewing(server, neighbour):
            name = 'tminus_handshakes_refused_total{reason="address"}'
            before = await metric(server, name)
            assert await status(server, path, **there) == 429
            refused = await handshake(server, path, **neighbour)
            assert (refused.status, refused.headers["Retry-After"]) == (429, "5")
            assert await metric(server, name) == before + 2
            async with viewing(server, {"X-Forwarded-For": "2001:db8:0:1::1"}) as viewer:
                assert (await viewer.frame())["type"] == "hello"
        async with viewing(server, there) as viewer:
            assert (await viewer.frame())["type"] == "hello"


async def test_a_coordinator_that_lags_takes_no_more_viewers_than_it_may(
    serve_coordinator: Serve,
) -> None:
    server = await serve_coordinator(max_viewers=2)
    async with viewing(server) as viewer:
        epoch = (await viewer.frame())["epoch"]
    address = server.make_url("/ws/connect").update_query(epoch=epoch, after=999)
    async with aiohttp.ClientSession() as session:
        # Nobody leaves before all are answered: a place that is given up may be taken.
        answers = await asyncio.gather(*(session.get(address, headers=UPGRADE) for _ in range(6)))
        assert sorted(answer.status for answer in answers) == [101, 101, 503, 503, 503, 503]
        for answer in answers:
            answer.close()


async def test_a_head_is_no_viewer(serve_coordinator: Serve) -> None:
    server = await serve_coordinator()
    async with aiohttp.ClientSession() as session:
        for path in ("/ws/connect", "/sse/connect"):
            async with session.head(server.make_url(path)) as response:
                assert response.status == 405


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
