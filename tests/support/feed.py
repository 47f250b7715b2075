"""A feed under test, and what the stream holds beside what the feed has delivered."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial

import nats
from nats.aio.client import Client

from bus.connection import Bus
from bus.feed import Feed
from bus.quorum import Quorum
from bus.stream import Entry, keep_stream, wanted
from coordinator.settings import Settings
from protocol import subjects
from runtime.background import background

from . import waiting

SETTLE_SECONDS = 30.0
RETRY_SECONDS = 0.25


def feed_of(url: str, replicas: int = 0) -> tuple[Bus, Feed]:
    settings = Settings(nats_url=url, stream_replicas=replicas)
    bus = Bus(settings, "coordinator")
    return bus, Feed(bus, partial(keep_stream, bus, wanted(settings)))


class Watching:
    """A feed, and what it has handed over of each room since that was opened or reset."""

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

    def difference(self, room: str, truth: dict[str, list[int]]) -> str:
        """What was not handed over of the room, and what should not have been."""
        here, stored = set(self.seqs(room)), set(truth.get(room, []))
        return f"{room} lacks {sorted(stored - here)}, has besides {sorted(here - stored)}"

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
    async with background(there.bus.run(), Quorum(there.bus).run(), there.feed.run(there)):
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
        assert time.monotonic() < deadline, [there.difference(room, truth) for room in wrong]


async def append(client: Client, subject: str, payload: bytes = b"x") -> None:
    """Have it stored, however often that takes; a second copy is an entry like any other.

    It asks seldom: while there is no leader all writers may try for the same room.
    """
    while True:
        try:
            await client.request(subject, payload, timeout=1.0)
        except (nats.errors.Error, OSError):
            await asyncio.sleep(RETRY_SECONDS)
        else:
            return


async def appends(client: Client, rooms: list[str], count: int, seed: int = 0) -> None:
    """Store `count` entries in rooms taken at random, nineteen events to a message: even as fast as
    a server takes them, no room gets 64 messages a second, a flood of which a feed skips some."""
    chance = random.Random(seed)
    for _ in range(count):
        room = chance.choice(rooms)
        kind = "message" if chance.random() < 0.05 else "events"
        await append(client, f"countdown.{room}.{kind}")


async def burst(client: Client, rooms: list[str], count: int, writers: int = 4) -> None:
    await asyncio.gather(
        *(appends(client, rooms, count // writers, seed=writer) for writer in range(writers))
    )


def names(count: int) -> list[str]:
    return [f"room-{number}" for number in range(count)]


until = partial(waiting.until, seconds=SETTLE_SECONDS)
"""An election takes a while."""
