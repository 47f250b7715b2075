"""A feed's subscriptions: over another client, renewed among messages, ended with their room."""

import asyncio
import time
from collections.abc import AsyncIterator
from functools import partial

import pytest
from nats.aio.client import Client

from bus.followed_room import HINTS
from bus.stream import Entry
from protocol import subjects
from support.feed import Watching, append, names, until, watching
from support.nats_server import NatsServer

ROOM = "room-0"
SOON_SECONDS = 0.4
"""Less than it takes until a comparison finds what no signal told."""


@pytest.fixture
async def there(nats_server: NatsServer) -> AsyncIterator[Watching]:
    async with watching(nats_server.url, *names(4)) as there:
        yield there


async def has_entries(there: Watching, room: str, count: int) -> bool:
    return len(there.entries[room]) >= count


async def test_signals_come_over_the_client_that_takes_the_place_of_another(
    there: Watching, bus: Client
) -> None:
    before = there.bus.client
    others: list[bytes] = []

    async def subscribe() -> None:  # others do so before the feed does
        await there.bus.closed(before)
        client = await there.bus.connected()
        for _ in range(10):
            client.subscribe_inline("others", lambda *message: others.append(message[3]))

    async with asyncio.TaskGroup() as group:
        group.create_task(subscribe())
        await before._process_err("'authentication revoked'")  # nats-py closes the client for good

        async def is_following() -> bool:
            return there.feed.check() is None and there.bus.client is not before

        await until(is_following)
    await there.until_open(*names(4))
    await asyncio.sleep(2)  # a comparison has found what came meanwhile
    for room in names(4):
        for kind in ("events", "message", "events", "message"):
            count = len(there.entries[room])
            await append(bus, f"countdown.{room}.{kind}")
            began = time.monotonic()
            await until(partial(has_entries, there, room, count + 1))
            assert time.monotonic() - began < SOON_SECONDS, (room, kind)
            await asyncio.sleep(0.05)
    await bus.publish("others", b"x")
    await bus.flush()

    async def is_heard() -> bool:
        return len(others) == 10

    await until(is_heard)


async def test_no_message_is_late_that_comes_while_a_subscription_is_renewed(
    there: Watching, bus: Client
) -> None:
    await asyncio.sleep(1)  # so that they are no flood
    for _ in range(HINTS // 2 - 1):
        await append(bus, subjects.messages(ROOM), b"before")
        await asyncio.sleep(0.03)
    for number in range(3):
        await bus.publish(subjects.messages(ROOM), b"renewing %d" % number)
    assert max(await lateness(there, bus, 5)) < SOON_SECONDS / 2


async def test_after_a_message_of_which_no_signal_came_not_all_others_are_late(
    there: Watching, bus: Client
) -> None:
    room = there.feed._rooms[ROOM]
    subscription = room._subscriptions[subjects.messages(ROOM)]
    handle, subscription._handle = subscription._handle, lambda *_: None
    await bus.publish(subjects.messages(ROOM), b"unseen")
    await bus.flush()
    await there.bus.client.flush()
    subscription._handle = handle
    late = await lateness(there, bus, 12)
    assert max(late[-4:]) < SOON_SECONDS / 2, late


async def lateness(there: Watching, bus: Client, count: int) -> list[float]:
    """How many seconds it takes until each of so many messages is delivered, one after another;
    the last one at least within a comparison's time."""
    sent_at, late = dict[bytes, float](), dict[bytes, float]()
    on_entry = there.on_entry

    def note(room: str, entry: Entry) -> None:
        on_entry(room, entry)
        late[entry.data] = time.monotonic() - sent_at.get(entry.data, 0)

    there.on_entry = note  # type: ignore[method-assign]
    for number in range(count):
        payload = b"%d" % number
        sent_at[payload] = time.monotonic()
        await bus.publish(subjects.messages(ROOM), payload)
        await bus.flush()
        await asyncio.sleep(SOON_SECONDS)

    async def are_there() -> bool:
        return late.keys() >= sent_at.keys()

    await until(are_there)
    return [late[payload] for payload in sent_at]


async def test_a_room_that_is_closed_while_it_is_read_leaves_no_subscription(
    there: Watching,
) -> None:
    client = there.bus.client
    before = len(client._subs)
    for number in range(100):
        room = f"closed-{number}"
        there.open(room)
        if number % 2:
            await there.until_open(room)
            reading = asyncio.create_task(there.feed.reached(room, 5, 0.01))
        await asyncio.sleep(number / 50_000)
        there.close(room)
        if number % 2:
            await reading

    async def are_gone() -> bool:
        return len(client._subs) == before

    await until(are_gone)
