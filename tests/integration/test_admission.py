"""How many handshakes may wait, and how many rooms may be opened, in all and by one address."""

import asyncio
from collections import Counter
from collections.abc import Sequence

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from bus.feed import FEED, READERS
from bus.followed_room import FollowedRoom
from bus.room_reader import RoomReader
from bus.stream import Entry
from coordinator.admission import ADMISSION, OPENINGS
from coordinator.hub import HUB
from support.nats_server import NatsServer
from support.served import Serve, metric, until_ready
from support.viewer import UPGRADE, viewing
from support.waiting import WAIT_SECONDS, until

HERE = {"X-Forwarded-For": "192.0.2.1"}
THERE = {"X-Forwarded-For": "192.0.2.2"}


async def refusal(server: TestServer, room: str, where: dict[str, str]) -> tuple[int, str]:
    async with (
        aiohttp.ClientSession(headers=where | UPGRADE) as session,
        session.get(server.make_url("/ws/connect").update_query(room=room)) as answer,
    ):
        return answer.status, answer.headers.get("Retry-After", "")


async def opened(server: TestServer, room: str, where: dict[str, str]) -> None:
    async with viewing(server, where, room=room) as viewer:
        assert (await viewer.frame())["room"] == room


@pytest.mark.parametrize(
    ("limit", "status", "reason"),
    [("max_viewers_per_address", 429, "address"), ("max_viewers", 503, "all")],
)
async def test_handshakes_that_wait_hold_the_places_of_viewers(
    serve_coordinator: Serve, limit: str, status: int, reason: str
) -> None:
    server = await serve_coordinator(trusted_proxies="127.0.0.1", **{limit: 2})
    async with viewing(server, HERE) as viewer:
        epoch = (await viewer.frame())["epoch"]
    # Each waits for an entry that never comes, for as long as it may.
    address = server.make_url("/ws/connect").update_query(epoch=epoch, after=999)
    name = f'tminus_handshakes_refused_total{{reason="{reason}"}}'
    before = await metric(server, name)
    async with aiohttp.ClientSession(headers=HERE | UPGRADE) as session:
        waiting = {asyncio.create_task(session.get(address)) for _ in range(3)}
        [answered], waiting = await asyncio.wait(
            waiting, timeout=WAIT_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
        assert answered.result().status == status
        assert "Retry-After" in answered.result().headers
        assert await metric(server, name) == before + 1
        if reason == "address":
            await opened(server, "main", THERE)
        for task in waiting:
            (await asyncio.wait_for(task, WAIT_SECONDS)).close()


async def test_an_address_opens_no_more_rooms_than_it_may_and_others_open_theirs(
    serve_coordinator: Serve,
) -> None:
    server = await serve_coordinator(
        trusted_proxies="127.0.0.1", max_followed_rooms=4, max_followed_rooms_per_address=2
    )
    name = 'tminus_handshakes_refused_total{reason="rooms_%s"}'
    before = [await metric(server, name % reason) for reason in ("address", "all")]
    await opened(server, "one", HERE)
    await opened(server, "two", HERE)
    assert await refusal(server, "three", HERE) == (429, "30")
    await opened(server, "two", HERE)  # what is open costs nothing more
    await opened(server, "three", THERE)
    await opened(server, "three", HERE)  # another one's room, too
    await opened(server, "four", THERE)
    assert await refusal(server, "five", {}) == (503, "30")
    after = [await metric(server, name % reason) for reason in ("address", "all")]
    assert [now - then for now, then in zip(after, before, strict=True)] == [1, 1]


async def test_a_room_counts_for_its_address_until_it_is_dropped(
    serve_coordinator: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coordinator.hub.LINGER_SECONDS", 0.0)
    server = await serve_coordinator(trusted_proxies="127.0.0.1", max_followed_rooms_per_address=1)
    hub = server.app[HUB]
    async with viewing(server, HERE, room="one") as viewer:
        await viewer.frame()
        assert await refusal(server, "two", HERE) == (429, "30")

    async def is_dropped() -> bool:
        return not hub.rooms

    await until(is_dropped)
    assert not hub.opened_by
    await opened(server, "two", HERE)


async def test_a_request_that_is_no_web_socket_opens_no_room(serve_coordinator: Serve) -> None:
    server = await serve_coordinator()
    async with (
        aiohttp.ClientSession() as session,
        session.get(server.make_url("/ws/connect").update_query(room="cold")) as answer,
    ):
        assert answer.status == 426
    assert "cold" not in server.app[HUB].rooms


async def test_rooms_that_are_opened_at_once_take_their_turn(
    serve_coordinator: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is refused as long as the pasts of others are read, one after another."""
    monkeypatch.setattr("coordinator.handshake.OPEN_SECONDS", 0.4)
    monkeypatch.setattr("coordinator.admission.TURN_SECONDS", 0.4)
    monkeypatch.setattr("bus.feed.READERS", 1)
    server = await serve_coordinator()
    feed = server.app[FEED]
    read = feed._read_on

    async def slowly(room: FollowedRoom) -> bool:
        await asyncio.sleep(0.15)
        return bool(await read(room))

    monkeypatch.setattr(feed, "_read_on", slowly)
    async with asyncio.timeout(WAIT_SECONDS), asyncio.TaskGroup() as group:
        for number in range(10):
            group.create_task(opened(server, f"room-{number}", HERE))


async def test_rooms_that_one_address_opens_make_nobody_else_wait(
    serve_coordinator: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their past takes for ever to read; there are as many as the feed has readers, and more."""
    read = RoomReader.read

    async def reading(
        reader: RoomReader, room: FollowedRoom, likely: Sequence[str], is_flooded: bool
    ) -> list[Entry]:
        if room.name.startswith("slow"):
            await asyncio.Event().wait()
        return await read(reader, room, likely, is_flooded)

    monkeypatch.setattr(RoomReader, "read", reading)
    server = await serve_coordinator(trusted_proxies="127.0.0.1")
    admission = server.app[ADMISSION]
    name = 'tminus_handshakes_refused_total{reason="rooms_opening"}'
    before = await metric(server, name)
    slow = [
        asyncio.create_task(refusal(server, f"slow-{number}", HERE))
        for number in range(READERS + 2)
    ]

    async def are_waiting() -> bool:
        return admission._handshakes == len(slow)

    await until(are_waiting)
    await opened(server, "quick", THERE)
    answers = Counter(await asyncio.gather(*slow))
    assert answers == {(503, "1"): OPENINGS, (429, "1"): len(slow) - OPENINGS}
    assert await metric(server, name) == before + len(slow) - OPENINGS


async def test_rooms_that_can_not_be_read_without_a_bus_are_nobody_s_fault(
    serve_coordinator: Serve, nats_server: NatsServer
) -> None:
    server = await serve_coordinator()
    nats_server.kill()
    await until_ready(server, status=503)
    rooms = [refusal(server, f"room-{number}", {}) for number in range(OPENINGS + 1)]
    assert set(await asyncio.gather(*rooms)) == {(503, "1")}
