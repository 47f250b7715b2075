"""Following the stream: every entry once, in order, whatever happens to the server.

A push consumer delivers to an inbox of ours. Its deliveries are numbered, so a gap shows at once;
its heartbeats come every second, so silence shows too. In both cases, and after every reconnect,
the follower opens a new consumer behind the last entry it has handed over. The client's own ordered
consumer answers flow control only four times a second, which holds back a replay; here the answer
goes out as soon as everything before it has been handed over.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Never

import nats.js.errors
from msgspec import Struct
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    DiscardPolicy,
    StorageType,
    StreamConfig,
    StreamInfo,
)
from prometheus_client import Counter, Gauge

from protocol import events, subjects

from .bus import Bus, BusError, bus_errors
from .logs import logger

log = logger(__name__)

HEARTBEAT_SECONDS = 1.0
SILENCE_SECONDS = 3.0
"""Without a delivery or a heartbeat for this long, the consumer is taken for lost."""
RETRY_SECONDS = 0.25
SNAPSHOT_SECONDS = 10.0
TURN_ENTRIES = 100
"""After so many entries in a row, other work of the event loop gets its turn."""

_position = Gauge("tminus_follower_position", "Stream sequence of the last entry handed over.")
_opened = Counter("tminus_follower_opened_total", "How often a consumer was opened.")


class Entry(Struct, frozen=True):
    """One entry of the stream; `at` is when it was stored, in milliseconds since the Unix epoch."""

    seq: int
    subject: str
    data: bytes
    at: int


class Follower:
    """Hands over the entries of `subject`, a subject of the stream with wildcards.

    It begins `look_back` entries before the stream's end; of every room whose events all lie before
    that it hands over the last one first, since that is the room's whole state. `on_entry` gets
    each entry once, in rising order, for as long as the stream is the same. Before the first entry,
    and whenever the stream turns out to be another one so that everything begins anew, `on_epoch`
    gets the stream's identity and the sequence up to which not all will be handed over.
    `on_caught_up` is called when all that the stream held has been handed over.
    """

    def __init__(
        self,
        bus: Bus,
        subject: str,
        *,
        look_back: int,
        on_entry: Callable[[Entry], None],
        on_epoch: Callable[[str, int], None],
        on_caught_up: Callable[[], None] = lambda: None,
    ) -> None:
        self._bus = bus
        self._subject = subject
        self._look_back = look_back
        self._on_entry = on_entry
        self._on_epoch = on_epoch
        self._on_caught_up = on_caught_up
        self._heard = 0.0
        self._owed = 0
        self._broken = asyncio.Event()
        self._moved = asyncio.Event()
        self._reason = ""
        self._is_open = self._has_begun = False
        self._opened_at = -1
        self.epoch = ""
        self.position = 0
        """Stream sequence of the last entry handed over."""
        bus.on_disconnect.append(self._broken.set)

    @property
    def is_caught_up(self) -> bool:
        """Whether all that the stream held when it was opened is handed over, and it lives."""
        return self._is_open and self._owed <= 0 and not self._broken.is_set()

    def check(self) -> str | None:
        """For `/readyz`."""
        return None if self.is_caught_up else "not caught up with the stream"

    async def caught_up(self) -> None:
        """Wait until all that the stream held has been handed over."""
        while not self.is_caught_up:
            self._moved.clear()
            await self._moved.wait()

    async def reached(self, seq: int, timeout: float) -> bool:
        """Wait up to `timeout` seconds until the entry `seq` has been handed over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while self.position < seq or not self.is_caught_up:
                    self._moved.clear()
                    await self._moved.wait()
        return self.position >= seq and self.is_caught_up

    async def run(self) -> Never:
        """Follow for ever."""
        while True:
            client = await self._bus.connected()
            self._broken.clear()
            try:
                with bus_errors("following"):
                    async with self._open(client):
                        self._reason = ""
                        await self._until_lost()
            except BusError as error:
                self._say(str(error))
                await asyncio.sleep(RETRY_SECONDS)

    async def _until_lost(self) -> None:
        clock = asyncio.get_running_loop().time
        while not self._broken.is_set():
            silent_for = clock() - self._heard
            if silent_for > SILENCE_SECONDS:
                self._say("nothing heard from the consumer")
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(SILENCE_SECONDS + 0.1 - silent_for):
                    await self._broken.wait()

    @asynccontextmanager
    async def _open(self, client: Client) -> AsyncIterator[None]:
        stream = await open_stream(self._bus)
        epoch = identity(stream)
        if epoch != self.epoch or stream.state.last_seq < self.position:
            if self.epoch:
                log.warning("the stream is another one, or was cut; beginning anew", epoch=epoch)
            self.epoch, self.position, self._has_begun = epoch, 0, False
        start = self.position + 1
        if not self._has_begun:
            start = max(1, stream.state.first_seq, stream.state.last_seq + 1 - self._look_back)
            self._on_epoch(epoch, start - 1)
            if start > 1:
                await self._hand_over_latest(client, before=start)
            self.position, self._has_begun = start - 1, True
        async with self._consume(client, self._subject, DeliverPolicy.BY_START_SEQUENCE, start) as (
            owed,
            _,
        ):
            self._owed, self._is_open = owed, True
            if not owed:
                self._on_caught_up()
            self._moved.set()
            if self._opened_at != start:
                log.info("following", subject=self._subject, start=start, epoch=epoch)
            self._opened_at = start
            _opened.inc()
            try:
                yield
            finally:
                self._is_open = False

    async def _hand_over_latest(self, client: Client, before: int) -> None:
        """Hand over the last event of every room that has none from `before` on."""
        latest = await self._read(client, subjects.ALL_EVENTS, DeliverPolicy.LAST_PER_SUBJECT)
        for entry in sorted(latest, key=lambda entry: entry.seq):
            if _is_event(entry):
                if entry.seq < before:
                    self._on_entry(entry)
                continue
            # What is no event says nothing, so the room's state stands further back.
            for older in await self._read(client, entry.subject, DeliverPolicy.ALL):
                if older.seq < before:
                    self._on_entry(older)

    async def _read(self, client: Client, subject: str, policy: DeliverPolicy) -> list[Entry]:
        """Read what the stream holds now."""
        async with asyncio.timeout(SNAPSHOT_SECONDS):
            async with self._consume(client, subject, policy, collect=True) as (owed, entries):
                while len(entries) < owed:
                    async with asyncio.timeout(SILENCE_SECONDS):
                        await self._moved.wait()
                    self._moved.clear()
                    if self._broken.is_set():
                        raise BusError("the consumer was lost while reading")
                return entries[:owed]

    @asynccontextmanager
    async def _consume(
        self,
        client: Client,
        subject: str,
        policy: DeliverPolicy,
        start: int | None = None,
        collect: bool = False,
    ) -> AsyncIterator[tuple[int, list[Entry]]]:
        """Have a consumer deliver to us; gives how many entries it owed at first."""
        entries: list[Entry] = []
        jetstream = self._bus.jetstream
        name, inbox = uuid.uuid4().hex, client.new_inbox()
        config = ConsumerConfig(
            name=name,
            deliver_subject=inbox,
            filter_subject=subject,
            deliver_policy=policy,
            opt_start_seq=start,
            ack_policy=AckPolicy.NONE,
            max_deliver=1,
            mem_storage=True,
            num_replicas=1,
            flow_control=True,
            idle_heartbeat=HEARTBEAT_SECONDS,
            inactive_threshold=30.0,
        )
        # A push consumer waits for a subscriber, so what it owes is told before anything comes.
        consumer = await jetstream.add_consumer(subjects.STREAM, config)
        clock = asyncio.get_running_loop().time
        self._heard = clock()
        deliveries = 0

        async def receive(message: Msg) -> None:
            nonlocal deliveries
            self._heard = clock()
            if message.headers and "Status" in message.headers:
                await self._answer(message, deliveries)
                return
            at, stream_seq, delivery = _metadata(message)
            if delivery != deliveries + 1:
                self._broken.set()
                return
            deliveries = delivery
            entry = Entry(stream_seq, message.subject, message.data, at)
            if collect:
                entries.append(entry)
                self._moved.set()
            else:
                self._hand_over(entry)
            if deliveries % TURN_ENTRIES == 0:
                await asyncio.sleep(0)

        subscription = await client.subscribe(inbox, cb=receive)
        try:
            yield consumer.num_pending or 0, entries
        finally:
            with suppress(BusError), bus_errors("unsubscribing"):
                await subscription.unsubscribe()
                if client.is_connected and not self._broken.is_set():
                    await jetstream.delete_consumer(subjects.STREAM, name)

    def _hand_over(self, entry: Entry) -> None:
        self._owed -= 1
        if entry.seq > self.position:
            self.position = entry.seq
            _position.set(entry.seq)
            self._on_entry(entry)
        if self._owed == 0:
            self._on_caught_up()
        self._moved.set()

    async def _answer(self, message: Msg, deliveries: int) -> None:
        """Answer flow control; see in a heartbeat whether a delivery was lost."""
        headers = message.headers or {}
        reply = message.reply or headers.get("Nats-Consumer-Stalled", "")
        if reply:
            with suppress(BusError), bus_errors("flow control"):
                await message._client.publish(reply)
        last = headers.get("Nats-Last-Consumer")
        if last is not None and int(last) != deliveries:
            self._broken.set()

    def _say(self, reason: str) -> None:
        if reason != self._reason:
            self._reason = reason
            log.warning("not following the stream", reason=reason)


def identity(stream: StreamInfo) -> str:
    """The epoch: the stream's creation time, in microseconds since the Unix epoch, as hex."""
    created = stream.created
    if not isinstance(created, datetime):
        raise BusError("the server does not tell when the stream was created")
    return f"{int(created.timestamp() * 1_000_000):x}"


async def open_stream(bus: Bus) -> StreamInfo:
    """The stream; whoever comes first creates it."""
    jetstream = bus.jetstream
    try:
        return await jetstream.stream_info(subjects.STREAM)
    except nats.js.errors.NotFoundError:
        log.info("creating the stream", stream=subjects.STREAM)
    return await jetstream.add_stream(
        StreamConfig(
            name=subjects.STREAM,
            subjects=[subjects.ALL_EVENTS, subjects.ALL_MESSAGES],
            storage=StorageType.FILE,
            discard=DiscardPolicy.OLD,
            max_msgs_per_subject=1000,
            max_age=7 * 24 * 60 * 60,
            allow_direct=True,
        )
    )


def _is_event(entry: Entry) -> bool:
    place = subjects.parse(entry.subject)
    if place is None:
        return False
    try:
        events.decode(entry.data, place[0])
    except events.EventError:
        return False
    return True


def _metadata(message: Msg) -> tuple[int, int, int]:
    """When it was stored (ms), its stream sequence and its delivery number, from the reply subject.

    `$JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<delivery>.<ns>.<pending>`, with two more
    tokens before the stream's name where the server has a domain (ADR-15).
    """
    tokens = message.reply.split(".")
    return int(tokens[-2]) // 1_000_000, int(tokens[-4]), int(tokens[-3])
