"""A feed hands over what the stream holds of each open room, whatever happens to the servers."""

import asyncio
import random
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import nats
import pytest
from nats.aio.client import Client

from bus.connection import Bus
from bus.direct import Batch, DirectGet
from bus.feed import Feed
from bus.stream import Entry, keep_stream, wanted
from coordinator.settings import Settings
from protocol import subjects
from runtime.background import background
from support import waiting
from support.nats_server import NatsServer
from support.nats_server import cluster as cluster_of

SETTLE_SECONDS = 30.0


def feed_of(url: str, replicas: int = 0) -> tuple[Bus, Feed]:
    settings = Settings(nats_url=url, stream_replicas=replicas)
    bus = Bus(settings, "coordinator")
    return bus, Feed(bus, partial(keep_stream, bus, wanted(settings)))


class Watching:
    """A feed, and what it has handed over of each room since that was opened or begun anew."""

    def __init__(self, url: str) -> None:
        self.bus, self.feed = feed_of(url)
        self.entries: dict[str, list[Entry]] = {}
        self.opened: list[str] = []
        self.resets: list[str] = []

    def open(self, *rooms: str) -> None:
        for room in rooms:
            self.entries[room] = []
            self.feed.open(room)

    def close(self, room: str) -> list[int]:
        """Let go of the room; gives what was handed over of it."""
        self.feed.close(room)
        self.opened = [name for name in self.opened if name != room]
        return [entry.seq for entry in self.entries.pop(room)]

    def seqs(self, room: str) -> list[int]:
        return [entry.seq for entry in self.entries[room]]

    async def until_open(self, *rooms: str) -> None:
        for room in rooms:
            assert await self.feed.reached(room, 0, SETTLE_SECONDS), room

    def on_entry(self, room: str, entry: Entry) -> None:
        self.entries[room].append(entry)

    def on_opened(self, room: str) -> None:
        self.opened.append(room)

    def on_reset(self, room: str) -> None:
        self.entries[room].clear()
        if room in self.opened:
            self.resets.append(room)


@asynccontextmanager
async def watching(url: str, *rooms: str) -> AsyncIterator[Watching]:
    there = Watching(url)
    async with background(there.bus.run(), there.feed.run(there)):
        there.open(*rooms)

        async def is_following() -> bool:
            return there.feed.check() is None

        await until(is_following)
        await there.until_open(*rooms)
        yield there


async def stored(client: Client, last: int = 0) -> dict[str, list[int]]:
    """The sequences that the stream holds of each room, asked of its leader one by one.

    With `last`, only its last so many are looked at.
    """
    jetstream = client.jetstream()
    state = (await jetstream.stream_info(subjects.STREAM)).state
    first = max(state.first_seq, state.last_seq + 1 - last if last else 0)
    by_room: dict[str, list[int]] = {}
    for seq in range(first, state.last_seq + 1):
        with suppress(nats.js.errors.NotFoundError):
            entry = await jetstream.get_msg(subjects.STREAM, seq)
            assert entry.subject
            by_room.setdefault(entry.subject.split(".")[1], []).append(seq)
    return by_room


async def settled(there: Watching, client: Client) -> dict[str, list[int]]:
    """Wait until every open room has all that is stored, and nothing else; gives what is stored."""
    deadline = time.monotonic() + SETTLE_SECONDS
    truth: dict[str, list[int]] = {}
    while True:
        await asyncio.sleep(0.1)  # a message may still be on its way into the stream
        with suppress(nats.errors.Error, nats.js.errors.APIError):  # while a leader is elected
            truth = await stored(client)
        wrong = [room for room in there.entries if there.seqs(room) != truth.get(room, [])]
        if truth and not wrong:
            return truth
        assert time.monotonic() < deadline, {
            room: (there.seqs(room), truth.get(room, [])) for room in wrong[:3]
        }


async def append(client: Client, subject: str, payload: bytes = b"x") -> None:
    """Have it stored, however often that takes; a second copy is an entry like any other."""
    while True:
        try:
            await client.request(subject, payload, timeout=1.0)
        except (nats.errors.Error, OSError):
            await asyncio.sleep(0.05)
        else:
            return


async def appends(client: Client, rooms: list[str], count: int, seed: int = 0) -> None:
    """Store `count` entries in rooms taken at random, three events to a message."""
    chance = random.Random(seed)
    for _ in range(count):
        room = chance.choice(rooms)
        kind = "message" if chance.random() < 0.25 else "events"
        await append(client, f"countdown.{room}.{kind}")


async def burst(client: Client, rooms: list[str], count: int, writers: int = 4) -> None:
    await asyncio.gather(
        *(appends(client, rooms, count // writers, seed=writer) for writer in range(writers))
    )


def names(count: int) -> list[str]:
    return [f"room-{number}" for number in range(count)]


until = partial(waiting.until, seconds=SETTLE_SECONDS)
"""An election takes a while."""


# One server


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
        async with background(once.bus.run(), once.feed.run(taking)):
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
        writing = asyncio.create_task(burst(bus, rooms, 3000))
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
    assert len(visits) > 50
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


async def mute(bus: Client, is_mute: bool) -> None:
    """Have the stream republish nothing, as where what it republished was lost."""
    jetstream = bus.jetstream()
    config = (await jetstream.stream_info(subjects.STREAM)).config
    there = config.republish or mute_config[0]
    mute_config[:] = [there]
    await jetstream.update_stream(replace(config, republish=None if is_mute else there))


mute_config: list[nats.js.api.RePublish] = []


async def test_a_lost_last_entry_is_found_within_seconds(
    nats_server: NatsServer, bus: Client
) -> None:
    async with watching(nats_server.url, "main", "quiet") as there:
        await burst(bus, ["main", "quiet"], 50)
        await settled(there, bus)
        await mute(bus, True)
        await append(bus, "countdown.main.message", b"lost")
        await append(bus, "countdown.quiet.events", b"lost")
        started = time.monotonic()
        await settled(there, bus)
        assert time.monotonic() - started < 3
        assert not there.resets


async def test_a_gap_is_read_when_the_next_entry_shows_it(
    nats_server: NatsServer, bus: Client
) -> None:
    async with watching(nats_server.url, "main") as there:
        for _ in range(5):
            await mute(bus, True)
            await append(bus, "countdown.main.events", b"lost")
            await mute(bus, False)
            await append(bus, "countdown.main.events", b"found")
        await settled(there, bus)
        assert not there.resets


async def test_a_room_begins_anew_where_an_entry_turns_up_too_late(
    nats_server: NatsServer, bus: Client
) -> None:
    async with watching(nats_server.url, "main", "other") as there:
        await append(bus, "countdown.main.message", b"first")
        await append(bus, "countdown.main.events", b"first")
        await settled(there, bus)
        await mute(bus, True)
        await append(bus, "countdown.main.message", b"lost")

        async def is_stored() -> bool:
            return len((await stored(bus))["main"]) == 3

        await until(is_stored)
        await mute(bus, False)
        await append(bus, "countdown.main.events", b"before it")
        await settled(there, bus)
        assert set(there.resets) <= {"main"}
        assert [entry.data for entry in there.entries["main"]][-2:] == [b"lost", b"before it"]


async def test_a_stalled_client_is_cut_off_and_misses_nothing(tmp_path: Path) -> None:
    config = tmp_path / "nats.conf"
    config.write_text('max_pending: 1MB\nwrite_deadline: "500ms"\n')
    server = NatsServer(tmp_path / "jetstream", "-c", str(config))
    server.start()
    rooms = names(5)
    client = await nats.connect(server.url)
    try:
        async with watching(server.url, *rooms) as there:
            reconnects = there.bus.client.stats["reconnects"]
            writing = threading.Thread(target=flood, args=(server.port, rooms, 4000))
            writing.start()
            time.sleep(2.0)  # the whole event loop stands still
            writing.join()

            async def is_over() -> bool:
                info = await client.jetstream().stream_info(subjects.STREAM)
                return bool(info.state.last_seq == 4000)

            await until(is_over)
            await settled(there, client)
            assert there.bus.client.stats["reconnects"] > reconnects
            assert not there.resets
    finally:
        await client.close()
        server.kill()


@pytest.mark.parametrize("is_mute", [False, True], ids=["signalled", "read"])
async def test_a_flood_of_messages_delays_no_event_and_is_over_when_it_is_over(
    nats_server: NatsServer, bus: Client, is_mute: bool
) -> None:
    subjects = ["countdown.main.message"] * 99 + ["countdown.main.events"]
    async with watching(nats_server.url, "main") as there:
        await append(bus, "countdown.main.events")
        await mute(bus, is_mute)
        for _ in range(10):
            await asyncio.to_thread(publish_fast, nats_server.port, subjects, 400)
        await mute(bus, False)

        def delivered(kind: str) -> int:
            return [entry.subject for entry in there.entries["main"]].count(kind)

        async def has_all_events() -> bool:
            return delivered("countdown.main.events") == 41

        await until(has_all_events)
        assert delivered("countdown.main.message") < 4000 * 0.99

        async def has_last() -> bool:
            return there.seqs("main")[-1:] == (await stored(bus, last=1))["main"]

        await append(bus, "countdown.main.message", b"after the flood")
        await until(has_last)
        await append(bus, "countdown.main.events", b"after the flood")
        await until(has_last)
        assert there.seqs("main") == sorted(there.seqs("main"))
        assert not there.resets


def flood(port: int, rooms: list[str], count: int) -> None:
    """Store events of 4 KB as fast as a socket takes them."""
    publish_fast(port, [f"countdown.{room}.events" for room in rooms], count)


def publish_fast(port: int, subjects: list[str], count: int) -> None:
    """Publish 4 KB to each of the subjects in turn, as fast as a socket takes them."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b'CONNECT {"verbose":false}\r\n')
        payload = b"x" * 4096
        for number in range(count):
            subject = subjects[number % len(subjects)]
            connection.sendall(f"PUB {subject} {len(payload)}\r\n".encode() + payload + b"\r\n")
        connection.sendall(b"PING\r\n")
        while b"PONG" not in connection.recv(65536):
            pass


# What strangers choose

FORGED = (
    b"Nats-Sequence: 99\r\nNats-Sequence: 98\r\nNats-Last-Sequence: 97\r\nNats-Stream: OTHER\r\n"
    b"Nats-Time-Stamp: 2001-01-01T00:00:00Z\r\nNats-Subject: countdown.other.events\r\n"
)
BLOCKS = [
    b"N",
    b"NA",
    b"",
    b"\r\n",
    b"GARBAGE\r\nfoo: bar\r\n\r\n",
    b"NATS/1.0\r\n",
    b"NATS/1.0\r\nfoo",
    b"NATS/1.0\r\n\r\n\r\nfoo: bar\r\n\r\n",
    b"NATS/1.0\r\nfo\x00o: b\xff\xfear\r\n\r\n",
    b"NATS/1.0\r\n" + FORGED + b"\r\n",
    b"NATS/1.0\r\n" + FORGED,
    b"NATS/1.0\r\nStatus: 204\r\nNats-Num-Pending: 0\r\nNats-UpTo-Sequence: 1\r\n\r\n",
    b"NATS/1.0 204 EOB\r\nNats-Num-Pending: 0\r\nNats-Last-Sequence: 1\r\n\r\n",
    b"NATS/1.0 503\r\n\r\n",
    b"NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 1\r\n\r\n",
    b"NATS/1.0\r\nNats-Expected-Stream: MESSAGES\r\n\r\n",
    b"NATS/1.0\r\nNats-Stream-Source: MESSAGES 99 > > countdown.a.message\r\n\r\n",
    b"NATS/1.0\r\nNats-Rollup: all\r\n\r\n",
    b"NATS/1.0\r\nNats-TTL: 1s\r\n\r\n",
    b"NATS/1.0\r\nNats-Msg-Id: 1\r\n\r\n",
]


async def publish_raw(port: int, subject: bytes, block: bytes, payload: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        b'CONNECT {"headers":true,"verbose":false}\r\n'
        + b"HPUB %s %d %d\r\n" % (subject, len(block), len(block) + len(payload))
        + block
        + payload
        + b"\r\nPING\r\n"
    )
    async with asyncio.timeout(5):
        await reader.readuntil(b"PONG\r\n")
    writer.close()


@pytest.mark.parametrize("is_live", [True, False], ids=["live", "read"])
async def test_headers_of_strangers_break_neither_the_server_nor_the_feed(
    nats_server: NatsServer, bus: Client, is_live: bool
) -> None:
    async with watching(nats_server.url, *(["main"] if is_live else [])) as there:
        await append(bus, "countdown.main.events", b"first")
        for block in BLOCKS:
            await publish_raw(nats_server.port, b"countdown.main.message", block, b"hello")
            await publish_raw(nats_server.port, b"countdown.\xff\xfe.message", block, b"hello")
        await append(bus, "countdown.main.message", b"last")
        await append(bus, "countdown.main.events", b"last")
        if not is_live:
            there.open("main")
        truth = await settled_but_for_subjects(there, bus)
        assert len(truth) > len(BLOCKS) - 5
        assert [entry.subject for entry in there.entries["main"]].count(
            "countdown.main.events"
        ) == 2
        assert not there.resets
        assert nats_server.is_running


async def settled_but_for_subjects(there: Watching, bus: Client) -> list[int]:
    """Like `settled`, where some of the stream's subjects and headers can't be read by nats-py."""

    direct = DirectGet(there.bus)

    async def is_all_there() -> bool:
        batch = await direct.next_by_subject("countdown.main.*", 1, 1000)
        texts = [entry.data for entry in batch.entries]
        return texts.count(b"last") == 2 and there.entries["main"] == batch.entries

    await until(is_all_there)
    return there.seqs("main")


# Direct get


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


# Three servers


class Cluster:
    """Three servers, each with a copy of the stream."""

    def __init__(self, directory: Path) -> None:
        self.servers = cluster_of(NatsServer, directory)

    @property
    def url(self) -> str:
        return ",".join(server.url for server in self.servers)

    def start(self) -> None:
        for server in self.servers:
            server.start()

    def kill(self) -> None:
        for server in self.servers:
            server.kill()

    async def leader(self, client: Client) -> NatsServer:
        """The server that leads the stream."""
        found: list[str] = []

        async def is_known() -> bool:
            with suppress(nats.errors.Error, nats.js.errors.APIError):
                info = await client.jetstream().stream_info(subjects.STREAM)
                found[:] = [info.cluster.leader] if info.cluster and info.cluster.leader else []
            return bool(found)

        await until(is_known)
        [leader] = [server for server in self.servers if server.name == found[0]]
        return leader


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    three = Cluster(tmp_path)
    three.start()
    yield three
    three.kill()


@asynccontextmanager
async def replicated(cluster: Cluster) -> AsyncIterator[Client]:
    """A client of a cluster that has the stream, three times, and republishes."""
    client = await nats.connect(
        cluster.url.split(","), max_reconnect_attempts=-1, reconnect_time_wait=0.1
    )
    config = wanted(Settings(stream_replicas=3))

    async def is_made() -> bool:
        with suppress(nats.errors.Error, nats.js.errors.APIError):
            await client.jetstream().add_stream(config)
            return True
        return False

    try:
        await until(is_made)
        yield client
    finally:
        await client.close()


async def test_the_streams_leader_is_killed_in_a_burst(cluster: Cluster) -> None:
    rooms = names(10)
    async with replicated(cluster) as client, watching(cluster.url, *rooms[:6]) as there:
        for _ in range(2):
            writing = asyncio.create_task(burst(client, rooms, 1000))
            await asyncio.sleep(0.3)
            leader = await cluster.leader(client)
            leader.kill()
            await asyncio.sleep(1.0)
            leader.start()
            await writing
            await settled(there, client)
        there.open(*rooms[6:])
        await settled(there, client)


async def test_the_leader_steps_down_again_and_again_in_a_burst(cluster: Cluster) -> None:
    rooms = names(10)
    async with replicated(cluster) as client, watching(cluster.url, *rooms[:6]) as there:
        writing = asyncio.create_task(burst(client, rooms, 2000))
        for _ in range(5):
            await asyncio.sleep(0.2)
            await cluster.leader(client)
            step_down = f"$JS.API.STREAM.LEADER.STEPDOWN.{subjects.STREAM}"
            with suppress(nats.errors.Error):
                await client.request(step_down, b"", timeout=2)
        await writing
        await settled(there, client)
