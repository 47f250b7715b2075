"""A feed whose stream is purged, deleted or recreated."""

import asyncio

from nats.aio.client import Client

from protocol import subjects
from support.feed import append, burst, settled, stored, until, watching
from support.nats_server import NatsServer


async def test_every_room_begins_anew_with_another_stream(
    nats_server: NatsServer, bus: Client
) -> None:
    async with watching(nats_server.url, "main", "quiet") as there:
        await burst(bus, ["main", "quiet"], 100)
        await settled(there, bus)
        epoch = there.feed.epoch
        await bus.jetstream().delete_stream(subjects.STREAM)

        async def is_another() -> bool:
            return there.feed.epoch != epoch

        await until(is_another)
        assert sorted(there.resets) == ["main", "quiet"]
        await there.until_open("main", "quiet")
        await append(bus, "countdown.main.events", b"anew")
        await settled(there, bus)
        assert [entry.data for entry in there.entries["main"]] == [b"anew"]


async def test_a_stream_that_is_made_anew_by_others_is_noticed(
    nats_server: NatsServer, bus: Client
) -> None:
    async with watching(nats_server.url, "main") as there:
        await burst(bus, ["main"], 100)
        await settled(there, bus)
        jetstream = bus.jetstream()
        config = (await jetstream.stream_info(subjects.STREAM)).config
        await jetstream.delete_stream(subjects.STREAM)
        await jetstream.add_stream(config)
        await append(bus, "countdown.main.events", b"anew")
        async with asyncio.timeout(2):
            while not there.resets:
                await asyncio.sleep(0.01)
        await settled(there, bus)
        assert [entry.data for entry in there.entries["main"]] == [b"anew"]


async def test_a_purge_ends_the_past_and_nothing_else(nats_server: NatsServer, bus: Client) -> None:
    async with watching(nats_server.url, "main") as there:
        await burst(bus, ["main", "other"], 200)
        before = (await settled(there, bus))["main"]
        await bus.jetstream().purge_stream(subjects.STREAM)
        await append(bus, "countdown.main.events")
        await append(bus, "countdown.main.message")
        there.open("other")
        await there.until_open("other")
        await append(bus, "countdown.other.message")
        after = await stored(bus)

        async def is_all_there() -> bool:
            return (there.seqs("main"), there.seqs("other")) == (
                before + after["main"],
                after["other"],
            )

        await until(is_all_there)
        assert not there.resets
