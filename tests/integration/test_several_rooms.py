"""Several rooms over one WebSocket: a real bus, real sockets."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestServer
from nats.aio.client import Client

from bus.feed import FEED
from coordinator.connections import CONNECTIONS
from coordinator.hub import HUB
from coordinator.viewer import Viewer as Connected
from support.bus_client import ask
from support.served import Serve, metric
from support.viewer import UPGRADE, Frame, Viewer, is_last_tick, viewing
from support.waiting import WAIT_SECONDS, until

ROOMS = [f"room-{number}" for number in range(20)]


async def hellos(viewer: Viewer, count: int) -> dict[str, Frame]:
    """The first hello of so many rooms, by room."""
    found: dict[str, Frame] = {}
    while len(found) < count:
        hello = await viewer.until(lambda frame: frame["type"] == "hello")
        found[hello["room"]] = hello
    return found


def of(viewer: Viewer, room: str) -> list[int]:
    """The sequences of a room's frames, in the order in which they came."""
    frames = [frame for frame in viewer.frames if frame.get("room") == room]
    return [frame["seq"] for frame in frames if frame["type"] not in ("hello", "viewers")]


def ticks(viewer: Viewer, room: str) -> list[int]:
    return [
        frame["remaining"]
        for frame in viewer.frames
        if frame["type"] == "tick" and frame["room"] == room
    ]


async def test_every_room_says_hello_and_its_frames_come_once_and_in_order(
    serve_scheduler: Serve, serve_coordinator: Serve, bus: Client
) -> None:
    await serve_scheduler()
    async with viewing(await serve_coordinator(), rooms=",".join(ROOMS)) as viewer:
        greeted = await hellos(viewer, len(ROOMS))
        assert list(greeted) == ROOMS
        for room in ROOMS:
            status, _ = await ask(bus, "scheduler.start", room=room, interval_ms=100)
            assert status == 200
        over: set[str] = set()
        while over != set(ROOMS):
            over.add((await viewer.until(is_last_tick))["room"])
        for room in ROOMS:
            assert ticks(viewer, room) == list(range(10, -1, -1))
            assert of(viewer, room) == sorted(set(of(viewer, room)))


async def test_it_goes_on_where_it_was_in_each_room(
    serve_scheduler: Serve, serve_coordinator: Serve, bus: Client
) -> None:
    await serve_scheduler()
    server = await serve_coordinator()
    names = "quiz,launch"
    async with viewing(server, rooms=names) as viewer:
        epoch = (await hellos(viewer, 2))["quiz"]["epoch"]
        for room in ("quiz", "launch"):
            await ask(bus, "scheduler.start", room=room, interval_ms=100)
        await viewer.until(lambda frame: frame["type"] == "tick" and frame["remaining"] == 7)
        seen = {room: max(of(viewer, room), default=0) for room in ("quiz", "launch")}
        before = {room: of(viewer, room) for room in ("quiz", "launch")}
    after = f"{seen['quiz']},{seen['launch']}"
    async with viewing(server, rooms=names, epoch=epoch, after=after) as viewer:
        over: set[str] = set()
        while len(over) < 2:
            over.add((await viewer.until(is_last_tick))["room"])
        assert all(f["complete"] for f in viewer.frames if f["type"] == "hello")
        for room in ("quiz", "launch"):
            whole = before[room] + of(viewer, room)
            assert whole == sorted(set(whole))
            assert len(whole) == 12


async def test_it_counts_as_a_viewer_of_each_room_and_as_no_screen(
    serve_coordinator: Serve, bus: Client
) -> None:
    server = await serve_coordinator()
    async with viewing(server, rooms="quiz,launch") as board, viewing(server, room="quiz") as one:
        await hellos(board, 2)
        await one.frame()
        await board.socket.send_json({"type": "ping", "id": 3})
        pong = await board.until(lambda frame: frame["type"] == "pong")
        assert pong["id"] == 3
        replies = {
            name: (await ask(bus, "coordinator.room", room=name))[1] for name in ("quiz", "launch")
        }
        assert [replies[name]["viewers"] for name in ("quiz", "launch")] == [2, 1]
        assert replies["quiz"]["screens"]["reporting"] == 0
        server.app[HUB].update_metrics()
        assert await metric(server, "tminus_viewers") == 2
        count = await board.until(
            lambda frame: frame["type"] == "viewers" and frame["room"] == "quiz"
        )
        assert count["count"] == 2


@asynccontextmanager
async def not_reading(
    server: TestServer, rooms: str
) -> AsyncIterator[tuple[socket.socket, Connected]]:
    """A peer that reads nothing by itself, with little space in its kernel; and its viewer here."""
    loop, connections = asyncio.get_running_loop(), server.app[CONNECTIONS]

    async def is_there() -> bool:
        return connections.count == 1

    with socket.socket() as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.setblocking(False)
        await loop.sock_connect(peer, (server.host, server.port))
        headers = "".join(f"{name}: {value}\r\n" for name, value in UPGRADE.items())
        path = f"/ws/connect?rooms={rooms}"
        await loop.sock_sendall(
            peer, f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n".encode()
        )
        await until(is_there)
        [viewer] = (each for slot in connections._slots for each in slot)
        yield peer, viewer


async def read_until(peer: socket.socket, last: bytes) -> bytes:
    received = b""
    async with asyncio.timeout(WAIT_SECONDS):
        while last not in received:
            received += await asyncio.get_running_loop().sock_recv(peer, 1 << 16)
    return received


async def test_one_that_does_not_read_is_skipped_and_then_catches_up_in_every_room(
    serve_coordinator: Serve, bus: Client
) -> None:
    """Its buffers, the kernel's included, are full of one room's messages."""
    server = await serve_coordinator()
    async with not_reading(server, "quiz,launch") as (peer, viewer):
        await _fill(bus, viewer)
        assert viewer.transport is not None
        size = viewer.transport.get_write_buffer_size()
        for number in range(20):
            await bus.publish("countdown.launch.message", b"late-%d-" % number + b"x" * 4000)
        history = server.app[HUB].rooms["launch"].history

        async def has_come() -> bool:
            return len(history.since(0)[0]) == 20

        await until(has_come)
        assert viewer.transport.get_write_buffer_size() <= size
        received = await read_until(peer, b"late-19-")
        for number in range(20):
            assert received.count(b"late-%d-" % number) == 1


async def _fill(bus: Client, viewer: Connected) -> None:
    """Send messages until the viewer lags; a room may show 256 KiB a second."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not viewer.lagging_since:
            await bus.publish("countdown.quiz.message", b"x" * 4000)
            await asyncio.sleep(0.005)


async def test_rooms_with_a_long_past_fill_no_buffer_and_are_all_sent(
    serve_coordinator: Serve, bus: Client
) -> None:
    """Sixty-four messages of 4 KB for each of twelve rooms are 3 MB."""
    names = ROOMS[:12]
    server = await serve_coordinator()
    for room in names:
        for number in range(64):
            text = f"{room}-{number}-".encode() + b"x" * 3900
            await bus.request(f"countdown.{room}.message", text, timeout=WAIT_SECONDS)
    async with not_reading(server, ",".join(names)) as (peer, viewer):
        assert viewer.transport is not None
        assert viewer.lagging_since
        assert viewer.transport.get_write_buffer_size() < 2 * 64 * 4096
        received = await read_until(peer, b"room-11-63-")
        for room in names:
            for number in range(64):
                assert received.count(f"{room}-{number}-".encode()) == 1


async def test_a_stream_that_is_made_anew_is_told_room_by_room(
    serve_scheduler: Serve, serve_coordinator: Serve, bus: Client
) -> None:
    await serve_scheduler()
    async with viewing(await serve_coordinator(), rooms="quiz,launch") as viewer:
        before = (await hellos(viewer, 2))["quiz"]["epoch"]
        await bus.jetstream().delete_stream("COUNTDOWN")
        after = await hellos(viewer, 2)
        assert {hello["complete"] for hello in after.values()} == {False}
        assert before not in {hello["epoch"] for hello in after.values()}


async def test_it_is_told_once_that_its_coordinator_stops(serve_coordinator: Serve) -> None:
    server = await serve_coordinator()
    async with viewing(server, rooms="quiz,launch") as viewer:
        await hellos(viewer, 2)
        closing = asyncio.create_task(server.close())
        await viewer.until(lambda frame: frame["type"] == "bye")
        assert await viewer.closed() == 1001
        assert [frame["type"] for frame in viewer.frames].count("bye") == 1
        await closing


async def refusal(server: TestServer, path: str, **query: Any) -> tuple[int, str]:
    async with (
        aiohttp.ClientSession(headers=UPGRADE) as session,
        session.get(server.make_url(path).update_query(query)) as answer,
    ):
        return answer.status, await answer.text()


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"rooms": "quiz", "room": "quiz"}, "room: can't be named beside rooms"),
        ({"rooms": "quiz,quiz"}, "rooms: 'quiz' is named twice"),
        ({"rooms": "quiz,../x"}, "rooms: '../x' is not a room's name"),
        ({"rooms": ",".join(f"r{n}" for n in range(51))}, "rooms: at most 50 rooms"),
        ({"rooms": "quiz,launch", "after": "1"}, "after: 1 sequences for 2 rooms"),
        ({"rooms": "quiz,launch", "after": "1,two"}, "after: 'two' is not a sequence"),
    ],
)
async def test_a_list_that_can_not_be_read_is_refused(
    serve_coordinator: Serve, query: dict[str, str], words: str
) -> None:
    server = await serve_coordinator()
    assert await refusal(server, "/ws/connect", **query) == (400, f"{words}\n")
    assert not server.app[HUB].rooms


async def test_an_event_stream_is_of_one_room(serve_coordinator: Serve) -> None:
    server = await serve_coordinator()
    assert (await refusal(server, "/sse/connect", rooms="quiz,launch"))[0] == 400


async def test_each_room_counts_for_its_address(serve_coordinator: Serve) -> None:
    server = await serve_coordinator(max_followed_rooms_per_address=3)
    assert (await refusal(server, "/ws/connect", rooms="a,b,c,d"))[0] == 429
    assert not server.app[HUB].rooms
    async with viewing(server, rooms="a,b") as viewer:
        await hellos(viewer, 2)
        assert (await refusal(server, "/ws/connect", rooms="a,c,d"))[0] == 429
        async with viewing(server, rooms="b,c") as other:
            await hellos(other, 2)


async def test_it_takes_the_places_of_as_many_viewers_as_it_has_rooms(
    serve_coordinator: Serve,
) -> None:
    server = await serve_coordinator(max_viewers_per_address=3)
    async with viewing(server, rooms="a,b") as viewer:
        await hellos(viewer, 2)
        assert (await refusal(server, "/ws/connect", rooms="a,b"))[0] == 429
        async with viewing(server, room="a") as other:
            await other.frame()
            assert (await refusal(server, "/ws/connect", room="b"))[0] == 429

    async def is_gone() -> bool:
        return not server.app[CONNECTIONS].by_address

    await until(is_gone)


async def test_if_one_room_can_not_be_read_all_are_refused(
    serve_coordinator: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coordinator.handshake.OPEN_SECONDS", 0.05)
    server = await serve_coordinator()
    feed = server.app[FEED]
    read = feed._read_on

    async def never(room: Any) -> bool:
        return room.name != "slow" and bool(await read(room))

    monkeypatch.setattr(feed, "_read_on", never)
    status, words = await refusal(server, "/ws/connect", rooms="quick,slow")
    assert (status, words) == (503, "not caught up with the stream\n")
    assert server.app[CONNECTIONS].count == 0
