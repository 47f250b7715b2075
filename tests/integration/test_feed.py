"""A feed hands over what the stream holds of each open room."""

import asyncio
import random
import time

import pytest
from nats.aio.client import Client

from bus.direct import Batch, DirectGet
from bus.quorum import Quorum
from bus.stream import Entry
from runtime.background import background
from support.feed import Watching, append, burst, names, settled, until, watching
from support.nats_server import NatsServer


async def test_a_room_is_read_and_then_followed(nats_server: NatsServer, bus: Client) -> None:
    async with watching(nats_server.url, "main") as there:
        for number in range(150):
            await append(bus, "countdown.main.events", b"%d" % number)
            await append(bus, "countdown.other.message", b"%d" % number)
        await settled(there, bus)
        there.open("other", "empty")
        await there.until_open("other", "empty")
        await append(bus, "countdown.other.events", b"last")
        await append(bus, "countdown.empty.message", b"last")
        await settled(there, bus)
        assert there.opened == ["main", "other", "empty"] or there.opened[1:] == ["empty", "other"]
        texts = [entry.data for entry in there.entries["other"]]
        assert texts == [b"%d" % number for number in range(150)] + [b"last"]
        assert there.entries["other"][-1].subject == "countdown.other.events"
        assert abs(there.entries["other"][-1].at / 1000 - time.time()) < 5
        [newest] = await there.feed.newest("empty")
        assert newest.data == b"last"
        assert not there.resets


async def test_nothing_is_handed_over_after_a_room_was_closed_by_its_entry(
    nats_server: NatsServer, bus: Client
) -> None:
    async with watching(nats_server.url):
        for _ in range(5):
            await append(bus, "countdown.main.events")
        once = Watching(nats_server.url)

        class TakeOne(Watching):
            def on_entry(self, room: str, entry: Entry) -> None:
                super().on_entry(room, entry)
                once.feed.close(room)

        taking = TakeOne(nats_server.url)
        async with background(once.bus.run(), Quorum(once.bus).run(), once.feed.run(taking)):
            for _ in range(2):
                taking.entries["main"] = []
                once.feed.open("main")
                assert not await once.feed.reached("main", 5, 1.0)
                assert taking.seqs("main") == [1]
            await append(bus, "countdown.main.events")
            assert taking.seqs("main") == [1]


async def test_rooms_come_and_go_under_a_stream_of_entries(
    nats_server: NatsServer, bus: Client
) -> None:
    rooms = names(20)
    chance = random.Random(1)
    visits: list[tuple[str, list[int]]] = []
    async with watching(nats_server.url) as there:
        await append(bus, "countdown.room-0.events")

        async def write() -> None:
            while len(visits) < 100:  # however fast the server is
                await burst(bus, rooms, 400)

        writing = asyncio.create_task(write())
        while not writing.done():
            room = chance.choice(rooms)
            if room in there.entries:
                visits.append((room, there.close(room)))
            else:
                there.open(room)
            await asyncio.sleep(chance.choice([0, 0.001, 0.01]))
        await writing
        truth = await settled(there, bus)
        assert not there.resets
    assert len(visits) >= 100
    assert any(len(seqs) > 20 for _, seqs in visits)
    for room, seqs in visits:
        assert seqs == truth[room][: len(seqs)]


async def test_three_thousand_rooms_are_opened_at_once(
    nats_server: NatsServer, bus: Client
) -> None:
    rooms = names(3000)
    async with watching(nats_server.url) as there:
        for kind in ("events", "message", "events"):
            for room in rooms:
                await bus.publish(f"countdown.{room}.{kind}", b"x")
        await bus.flush()
        there.open(*rooms)
        for room in rooms:
            await bus.publish(f"countdown.{room}.events", b"x")
        await there.until_open(*rooms)

        async def is_all_there() -> bool:
            return all(len(entries) == 4 for entries in there.entries.values())

        await until(is_all_there)
        for room in rooms:
            assert there.seqs(room) == sorted(set(there.seqs(room)))
        assert sorted(there.opened) == sorted(rooms)


@pytest.mark.parametrize("down_seconds", [0.0, 1.0])
async def test_the_server_is_killed_in_a_burst(
    nats_server: NatsServer, bus: Client, down_seconds: float
) -> None:
    rooms = names(10)
    async with watching(nats_server.url, *rooms[:5]) as there:
        for seed in range(2):
            writing = asyncio.create_task(burst(bus, rooms, 1500))
            await asyncio.sleep(0.1 + 0.2 * seed)
            there.open(rooms[5 + seed])
            nats_server.kill()
            there.open(rooms[7 + seed])
            await asyncio.sleep(down_seconds)
            nats_server.start()
            await writing
        await settled(there, bus)
        assert not there.resets


async def test_what_is_not_there_is_no_error(nats_server: NatsServer, bus: Client) -> None:
    async with watching(nats_server.url) as there:
        direct = DirectGet(there.bus)
        await append(bus, "countdown.main.events")
        assert await direct.multi_last(["countdown.none.events"]) == Batch([], 0)
        assert await direct.multi_last(["countdown.main.events"], start=2) == Batch([], 1)
        assert await direct.next_by_subject("countdown.main.events", 2, 64) == Batch([], 0)


async def test_a_listener_that_fails_ends_the_feed(nats_server: NatsServer, bus: Client) -> None:
    class Failing(Watching):
        def on_entry(self, room: str, entry: Entry) -> None:
            raise ZeroDivisionError(entry.seq)

    there = Failing(nats_server.url)
    with pytest.RaisesGroup(ZeroDivisionError):
        async with background(there.bus.run(), there.feed.run(there)):
            there.open("main")
            await there.until_open("main")
            await bus.publish("countdown.main.message", b"hello")
            async with asyncio.timeout(5):
                await asyncio.Event().wait()
