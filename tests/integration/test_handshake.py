"""The handshakes of viewers, and the reasons to refuse one."""

import asyncio
import json

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from coordinator import handshake, hub
from coordinator.connections import CONNECTIONS
from coordinator.hub import HUB, Hub
from coordinator.room import Room
from support.nats_server import NatsServer
from support.served import Serve, metric, until_ready
from support.viewer import UPGRADE, viewing
from support.waiting import WAIT_SECONDS


async def _status(server: TestServer, path: str, **headers: str) -> int:
    return (await _handshake(server, path, **headers)).status


async def _handshake(server: TestServer, path: str, **headers: str) -> aiohttp.ClientResponse:
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
    assert await _status(server, f"{path}?room=../x") == 400
    assert await _status(server, f"{path}?after=seven") == 400
    assert await _status(server, path, Origin="https://elsewhere.example") == 403


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


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Upgrade", "h2c"),
        ("Connection", "keep-alive"),
        ("Sec-WebSocket-Key", ""),
        ("Sec-WebSocket-Key", "abc"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZQ=="),
        ("Sec-WebSocket-Key", "é" * 24),
    ],
)
async def test_a_handshake_that_is_none_names_the_header_and_opens_no_room(
    serve_coordinator: Serve, name: str, value: str, caplog: pytest.LogCaptureFixture
) -> None:
    server = await serve_coordinator()
    async with (
        aiohttp.ClientSession() as session,
        session.get(server.make_url("/ws/connect"), headers=UPGRADE | {name: value}) as response,
    ):
        assert response.status == 400
        assert name.lower() in (await response.text()).lower()
    assert not server.app[HUB].rooms
    assert not caplog.records


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("path", ["/ws/connect", "/sse/connect"])
async def test_a_viewer_over_another_http_is_refused(
    serve_coordinator: Serve, path: str, version: str
) -> None:
    server = await serve_coordinator()
    reader, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(
        f"GET {path} HTTP/{version}\r\nHost: localhost\r\nConnection: Upgrade\r\n"
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
            assert await _status(server, "/ws/connect", Origin=origin) == 403


async def test_a_full_coordinator_says_so(serve_coordinator: Serve) -> None:
    server = await serve_coordinator(max_viewers=2)
    async with viewing(server), viewing(server):
        assert await _status(server, "/ws/connect") == 503
        assert await _status(server, "/sse/connect") == 503
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
            assert await _status(server, path, **there) == 429
            refused = await _handshake(server, path, **neighbour)
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


async def test_who_has_seen_more_than_one_that_is_cut_off_is_refused(
    serve_coordinator: Serve, nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its hello would be that of a stream from a backup, and the page would go back."""
    monkeypatch.setattr(handshake, "REACH_SECONDS", 0.1)
    server = await serve_coordinator()
    async with viewing(server) as viewer:
        epoch = (await viewer.frame())["epoch"]
        ahead = f"/ws/connect?epoch={epoch}&after=5"
        assert await _status(server, ahead) == 101  # as after a backup
        nats_server.kill()
        await until_ready(server, status=503)
        assert await _status(server, ahead) == 503
        assert await _status(server, f"/ws/connect?epoch={epoch}&after=0") == 101


async def test_one_that_waits_when_its_coordinator_stops_is_refused(
    serve_coordinator: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, go = Hub.opened, asyncio.Event()

    async def open_late(self: Hub, name: str, timeout: float, address: str = "") -> Room | None:
        await go.wait()
        return await opened(self, name, timeout, address)

    monkeypatch.setattr(Hub, "opened", open_late)
    server = await serve_coordinator()
    assert server.app is not None
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(_status(server, "/ws/connect?room=late"))
        await asyncio.sleep(0.1)
        await server.app[CONNECTIONS].close()
        go.set()
    assert waiting.result() == 503


async def test_one_of_several_rooms_that_is_dropped_while_another_is_read_refuses_all(
    serve_coordinator: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "LINGER_SECONDS", 0.1)
    opened = Hub.opened

    async def open_slowly(self: Hub, name: str, timeout: float, address: str = "") -> Room | None:
        while name == "slow" and "fast" not in self.rooms:
            await asyncio.sleep(0.01)
        while name == "slow" and "fast" in self.rooms:
            await asyncio.sleep(0.01)
        return await opened(self, name, timeout, address)

    monkeypatch.setattr(Hub, "opened", open_slowly)
    server = await serve_coordinator()
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        async with viewing(server, rooms="fast,slow"):
            pass
    assert refusal.value.status == 503
    async with viewing(server, rooms="fast,other") as viewer:
        hellos = [await viewer.until(lambda f: f["type"] == "hello") for _ in range(2)]
        assert {hello["room"] for hello in hellos} == {"fast", "other"}
