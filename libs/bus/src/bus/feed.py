"""Following single rooms on demand: a service that follows ten rooms receives those ten only.

Nothing is set up on the server for it but subscriptions, so NATS's own interest routing does the
work. Two signals announce that a room has something new:

* The stream republishes events as it stores them, each with the sequence of the event before it.
  An event that directly follows the last one delivered is delivered at once.
* A message is seen on its way into the stream. It has no sequence yet, and its headers are whatever
  a stranger chose, so it is only a hint to read.

In all other cases (a gap, a hint, a lost connection) the room is read from the last entry delivered
on. A signal may be lost, too; so once a second the last entries of all rooms are compared with what
was delivered.

The stream is identified by its creation time. If that has changed, or the stream ends before the
last sequence seen, every room is read again from the start.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Never, ParamSpec, Protocol

import nats.js.errors
from aiohttp import web
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js.api import StreamInfo
from prometheus_client import Counter, Gauge

from protocol import subjects
from runtime.logs import logger

from .connection import Bus
from .direct import MAX_SUBJECTS, entry_of, multi_last, next_by_subject
from .errors import BusError, bus_errors
from .stream import Entry, epoch_of

P = ParamSpec("P")

log = logger(__name__)

READERS = 8
"""How many rooms are read at the same time: the server stores nothing while it reads."""
BATCH_ENTRIES = 64
LOOK_SECONDS = 1.0
LOOKS_BACK = 5
"""How many comparisons an entry stays in, so that one finds it however far a replica lags."""
RETRY_SECONDS = 0.25
PAUSES_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)
"""Delays before reading again for what was signalled but is not there yet: a message is seen before
it is stored, and a replica that answers may lag behind its leader."""
HINTS = 64
"""After so many messages of a room the server sends no more of them: a flood is read from the
stream, as far as it is stored."""
FLOOD_SECONDS = 0.05
"""The pause before a flooded room is read and subscribed to again."""
FLOODED_SECONDS = 1.0
"""A room that has HINTS messages in less than this is flooded, for as long again."""
FLOODED_BYTES = 256 * 1024
"""As much of a flood is read at once; the rest is skipped, since a tick behind it would wait."""
CAREFUL_SECONDS = 0.5
"""For so long after a message was seen, or may have been published unseen, events are read with
whatever else was stored: no message takes longer than that from being published to being stored."""

_rooms = Gauge("tminus_feed_rooms", "Rooms that are followed.")
_reads = Counter("tminus_feed_reads_total", "Reads of a room from the stream.")
_lost = Counter(
    "tminus_feed_lost_signals_total", "Entries found only by the comparison once a second."
)
_floods = Counter("tminus_feed_floods_total", "Reads that skipped messages of a flooded room.")
_resets = Counter("tminus_feed_resets_total", "Rooms read again from the start.")


class Listener(Protocol):
    """Receives the entries of the rooms that are open."""

    def on_reset(self, name: str) -> None:
        """The entries delivered so far are void; everything that the stream holds follows."""

    def on_entry(self, name: str, entry: Entry) -> None:
        """The room's next entry: each once, in rising order."""

    def on_opened(self, name: str) -> None:
        """Everything that the stream held of the room has been delivered."""


class _Room:
    """A room that is followed: how far it was delivered, and what is known to be missing."""

    __slots__ = (
        "attempts",
        "awaited",
        "careful_until",
        "client",
        "flooded_until",
        "hints",
        "is_new",
        "is_open",
        "is_reading",
        "is_stale",
        "last",
        "listens_again_at",
        "listens_since",
        "moved",
        "name",
        "signalled",
        "subscriptions",
        "timer",
    )

    def __init__(self, name: str) -> None:
        self.name = name
        self.client: Client | None = None
        self.subscriptions: dict[str, Subscription] = {}
        self.moved = asyncio.Event()
        self.is_open = False
        """Whether its past has been delivered."""
        self.is_new = True
        """Whether it has to be read from the start."""
        self.is_stale = True
        """Whether the stream may hold more of it."""
        self.awaited = 0
        """How many messages were seen that have not been read from the stream yet."""
        self.hints = 0
        """How many messages the current subscription has received."""
        self.careful_until = 0.0
        """By the loop's clock; until then a message may be stored that has not been read."""
        self.listens_since = 0.0
        """By the loop's clock: when the subscription to messages was made."""
        self.listens_again_at = 0.0
        """By the loop's clock: when to have messages seen again, after so many."""
        self.flooded_until = 0.0
        """By the loop's clock; until then more messages come than are worth reading."""
        self.attempts = 0
        """How many reads have not found what was signalled."""
        self.timer: asyncio.TimerHandle | None = None
        self.signalled = 0
        """The highest sequence of an event that was seen; it may not have been delivered yet."""
        self.is_reading = False
        self.last = {subjects.events(name): 0, subjects.messages(name): 0}
        """By subject, the sequence of the last entry delivered."""

    @property
    def position(self) -> int:
        return max(self.last.values())

    @property
    def is_waiting(self) -> bool:
        """Whether something was signalled that has not been delivered."""
        return self.awaited > 0 or self.signalled > self.last[subjects.events(self.name)]


class Feed:
    """Follows the rooms that are open, and delivers their entries to a listener."""

    def __init__(self, bus: Bus, open_stream: Callable[[], Awaitable[StreamInfo]]) -> None:
        self._bus = bus
        self._open_stream = open_stream
        self._listener: Listener
        self._rooms: dict[str, _Room] = {}
        self._queue: asyncio.Queue[_Room] = asyncio.Queue()
        self._is_lost = asyncio.Event()
        self._is_ready = asyncio.Event()
        self._failure: Exception | None = None
        self._reason = ""
        self._highest = 0
        self._ends = deque([0], maxlen=LOOKS_BACK)
        self.epoch = ""
        self.floor = 0
        """Entries up to this sequence may have been removed from the stream, by age or by size."""
        self.end = 0
        """The stream's last sequence, at most a second old."""
        _rooms.set_function(lambda: len(self._rooms))
        bus.on_disconnect.append(self._is_lost.set)

    def check(self) -> str | None:
        """For `/readyz`."""
        if self._is_ready.is_set():
            return None
        return ": ".join(filter(None, ["not following the stream", self._reason]))

    async def ready(self) -> None:
        """Wait until the stream is known."""
        await self._is_ready.wait()

    def open(self, name: str) -> None:
        """Follow the room: its past is delivered, then live entries."""
        if name not in self._rooms:
            self._rooms[name] = _Room(name)
            self._attend_to(self._rooms[name])

    def close(self, name: str) -> None:
        """Stop following the room; nothing of it is delivered after this."""
        if (room := self._rooms.pop(name, None)) is not None:
            room.moved.set()
            self._attend_to(room)  # to unsubscribe

    def reopen(self, name: str) -> None:
        """Read the room again from the start: what was delivered is not true any more."""
        if (room := self._rooms.get(name)) is not None:
            _resets.inc()
            room.is_new = room.is_stale = True
            self._attend_to(room)

    async def reached(self, name: str, seq: int, timeout: float) -> bool:
        """Wait up to `timeout` seconds until the room's entry `seq` has been delivered.

        Also true if the stream has passed `seq` and everything it holds of the room was delivered.
        """
        room = self._rooms.get(name)
        if room is None:
            return False
        room.is_stale = True
        self._attend_to(room)
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while not self._has_reached(room, seq):
                    await room.moved.wait()
                    room.moved.clear()
        return self._has_reached(room, seq)

    def _has_reached(self, room: _Room, seq: int) -> bool:
        if not room.is_open or not self._is_followed(room):
            return False
        is_current = not room.is_stale and not room.is_waiting
        return room.position >= seq or (is_current and self.end >= seq)

    @staticmethod
    def _time() -> float:
        return asyncio.get_running_loop().time()

    def _is_followed(self, room: _Room) -> bool:
        return self._rooms.get(room.name) is room

    async def newest(self, name: str) -> list[Entry]:
        """The last event and the last message of any room, open or not; raises BusError."""
        wanted = [subjects.events(name), subjects.messages(name)]
        return (await multi_last(self._bus.client, wanted)).entries

    async def run(self, listener: Listener) -> Never:
        """Follow for ever; raises what the listener raised, since its entry was lost."""
        self._listener = listener
        while True:
            client = await self._bus.connected()
            self._is_lost.clear()
            try:
                with bus_errors("following"):
                    await self._look_at_stream(self._open_stream)
                for room in self._rooms.values():
                    room.is_stale = True
                    room.careful_until = self._time() + CAREFUL_SECONDS
                    self._attend_to(room)
                await self._follow(client)
            except BusError as error:
                self._say(str(error))
                await asyncio.sleep(RETRY_SECONDS)
            finally:
                self._is_ready.clear()
            if self._failure is not None:
                raise self._failure

    async def _follow(self, client: Client) -> None:
        """Follow until the connection is lost."""
        async with asyncio.TaskGroup() as group:
            loops = [group.create_task(self._read_rooms(client)) for _ in range(READERS)]
            loops.append(group.create_task(self._look()))
            if client.is_connected:
                self._is_ready.set()
                self._reason = ""
                await self._is_lost.wait()
            for loop in loops:
                loop.cancel()

    # Signals

    async def _on_event(self, room: _Room, message: Msg) -> None:
        """The stream has stored an event of the room."""
        if not self._is_followed(room):
            return
        subject = subjects.events(room.name)
        try:
            previous = int((message.headers or {})["Nats-Last-Sequence"])
        except (KeyError, ValueError):
            previous = -1
        entry = entry_of(message)
        if entry is None:
            room.is_stale = True
        elif entry.seq <= room.last[subject]:
            return
        elif (
            room.is_open
            and previous == room.last[subject]
            and entry.seq > room.position
            and self._is_in_turn(room)
        ):
            self._hand_over(room, entry)
            if self._is_flooded(room):
                room.last = dict.fromkeys(room.last, entry.seq)  # messages before it are skipped
            return
        else:
            room.signalled = max(room.signalled, entry.seq)
        self._attend_to(room)

    def _is_in_turn(self, room: _Room) -> bool:
        """Whether no message can have been stored before an event that has just come.

        In a flooded room it can, and is skipped: a tick does not wait for it.
        """
        if self._is_flooded(room):
            return True
        return not room.is_reading and self._time() > room.careful_until

    def _is_flooded(self, room: _Room) -> bool:
        return self._time() < room.flooded_until

    async def _on_message(self, room: _Room, _message: Msg) -> None:
        """Somebody has published a message: it will be in the stream in a moment."""
        if self._is_followed(room):
            room.awaited += 1
            room.hints += 1
            room.careful_until = self._time() + CAREFUL_SECONDS
            room.listens_again_at = self._time() + FLOOD_SECONDS
            if room.hints == HINTS and self._time() - room.listens_since < FLOODED_SECONDS:
                room.flooded_until = self._time() + FLOODED_SECONDS
            self._attend_to(room)

    # Reading rooms

    def _attend_to(self, room: _Room) -> None:
        if not room.is_reading:
            room.is_reading = True
            self._queue.put_nowait(room)

    async def _read_rooms(self, client: Client) -> None:
        while True:
            room = await self._queue.get()
            try:
                with bus_errors(f"reading room {room.name}"):
                    await self._attend(client, room)
                room.is_reading = False
            except BusError as error:
                self._say(str(error))
                await asyncio.sleep(RETRY_SECONDS)
            finally:
                if room.is_reading:  # it was interrupted
                    self._queue.put_nowait(room)
                elif room.is_stale and self._is_followed(room):
                    self._attend_to(room)

    async def _attend(self, client: Client, room: _Room) -> None:
        """Read the room once; if not all that was signalled is there yet, again after a pause."""
        if not self._is_followed(room):
            await self._unsubscribe(client, room)
            return
        if room.client is not client:
            await self._subscribe(client, room)
        elif room.hints >= HINTS and self._time() >= room.listens_again_at:
            await self._subscribe_to_messages(client, room)
        room.is_stale = False
        if await self._read_on(client, room):
            room.attempts = 0
        room.moved.set()
        if room.hints >= HINTS:
            self._attend_later(room, FLOOD_SECONDS)
        elif not room.is_waiting:
            room.attempts = 0
        elif room.attempts < len(PAUSES_SECONDS):
            self._attend_later(room, PAUSES_SECONDS[room.attempts])
            room.attempts += 1
        else:  # it was not stored, or has gone again
            room.awaited = room.signalled = room.attempts = 0

    def _attend_later(self, room: _Room, seconds: float) -> None:
        if room.timer is not None:
            room.timer.cancel()
        loop = asyncio.get_running_loop()
        room.timer = loop.call_later(seconds, self._attend_to, room)

    async def _unsubscribe(self, client: Client, room: _Room) -> None:
        if room.timer is not None:
            room.timer.cancel()
        if room.client is client:
            room.client = None
            for subscription in room.subscriptions.values():
                with suppress(BusError), bus_errors("unsubscribing"):
                    await subscription.unsubscribe()
        room.subscriptions.clear()

    async def _subscribe(self, client: Client, room: _Room) -> None:
        events = subjects.live_events(room.name)
        room.subscriptions[events] = await client.subscribe(
            events, cb=partial(self._on_event, room)
        )
        await self._subscribe_to_messages(client, room)
        room.client = client

    async def _subscribe_to_messages(self, client: Client, room: _Room) -> None:
        """Subscribe for the next HINTS messages; an earlier subscription has reached its limit."""
        messages = subjects.messages(room.name)
        room.hints = 0
        room.listens_since = self._time()
        room.careful_until = self._time() + CAREFUL_SECONDS
        subscription = await client.subscribe(messages, cb=partial(self._on_message, room))
        await subscription.unsubscribe(limit=HINTS)
        room.subscriptions[messages] = subscription

    async def _read_on(self, client: Client, room: _Room) -> bool:
        """Deliver what the stream holds after the room's position; returns whether it found any
        message."""
        _reads.inc()
        if room.is_new:
            room.is_new = room.is_open = False
            room.last = dict.fromkeys(room.last, 0)
            self._call(self._listener.on_reset, room.name)
        is_flooded = self._is_flooded(room)
        newest = await multi_last(client, list(room.last), min(room.last.values()) + 1)
        entries: list[Entry] = []
        for last in newest.entries:
            entries += await self._read_subject(client, last.subject, room, last.seq)
        if not self._is_followed(room) or room.is_new:
            return True
        is_late = any(room.last[entry.subject] < entry.seq < room.position for entry in entries)
        if is_late and room.is_open and not is_flooded:
            # It came too late to be delivered in order.
            self.reopen(room.name)
            return True
        messages = 0
        for entry in sorted(entries, key=lambda entry: entry.seq):
            if not self._is_followed(room):
                return True
            messages += entry.subject == subjects.messages(room.name)
            if entry.seq > room.position:
                self._hand_over(room, entry)
        room.awaited = max(0, room.awaited - messages)
        if not room.is_open:
            room.is_open = True
            self._call(self._listener.on_opened, room.name)
        return messages > 0

    async def _read_subject(
        self, client: Client, subject: str, room: _Room, end: int
    ) -> list[Entry]:
        """What the stream holds of a subject after the entries delivered, up to `end`.

        Of a flood of messages it is the first part, and the rest is skipped.
        """
        entries: list[Entry] = []
        size, start = 0, room.last[subject] + 1
        while start <= end:
            batch = await next_by_subject(client, subject, start, BATCH_ENTRIES)
            entries += [entry for entry in batch.entries if entry.seq <= end]
            size += sum(len(entry.data) for entry in batch.entries)
            if not batch.up_to:
                break
            start = batch.up_to + 1
            is_message = subject == subjects.messages(room.name)
            if is_message and size > FLOODED_BYTES and self._is_flooded(room):
                _floods.inc()
                break
        return entries

    def _hand_over(self, room: _Room, entry: Entry) -> None:
        self._call(self._listener.on_entry, room.name, entry)
        room.last[entry.subject] = entry.seq
        self._highest = max(self._highest, entry.seq)
        room.moved.set()

    def _call(self, callback: Callable[P, None], *details: P.args, **named: P.kwargs) -> None:
        if self._failure is not None:
            return
        try:
            callback(*details, **named)
        except Exception as error:
            # nats-py would log it and continue; here it ends the service.
            self._failure = error
            self._is_lost.set()

    # Once a second: find lost signals, and check that the stream is the same

    async def _look(self) -> Never:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                with bus_errors("following"):
                    await self._look_at_stream(self._stream)
                    await self._look_at_rooms(since=self._ends[0])
                    self._ends.append(self.end)
            except BusError as error:
                self._say(str(error))

    async def _stream(self) -> StreamInfo:
        try:
            return await self._bus.jetstream.stream_info(subjects.STREAM)
        except nats.js.errors.NotFoundError:
            return await self._open_stream()

    async def _look_at_stream(self, ask: Callable[[], Awaitable[StreamInfo]]) -> None:
        """See how far the stream goes; if it is another one, or was cut, read all rooms again."""
        seen = self._highest  # by now: more may be handed over before the answer is here
        stream = await ask()
        epoch, self.end = epoch_of(stream), stream.state.last_seq
        self.floor = max(0, stream.state.first_seq - 1)
        if epoch == self.epoch and self.end >= seen:
            return
        if self.epoch:
            log.warning("the stream was recreated or truncated; resetting", epoch=epoch)
        self.epoch, self._highest = epoch, 0
        self._ends = deque([0], maxlen=LOOKS_BACK)
        for name in list(self._rooms):
            self.reopen(name)

    async def _look_at_rooms(self, since: int) -> None:
        """Find the rooms of which the stream holds more than was delivered."""
        for asked in self._batches():
            found = await multi_last(self._bus.client, list(asked), max(1, since))
            for entry in found.entries:
                room = asked[entry.subject]
                if entry.seq > room.last[entry.subject] and not room.is_reading:
                    _lost.inc()
                    room.is_stale = True
                    self._attend_to(room)

    def _batches(self) -> Iterator[dict[str, _Room]]:
        asked: dict[str, _Room] = {}
        for room in list(self._rooms.values()):
            asked |= dict.fromkeys(room.last, room)
            if len(asked) + 2 > MAX_SUBJECTS:
                yield asked
                asked = {}
        if asked:
            yield asked

    def _say(self, reason: str) -> None:
        if reason != self._reason:
            self._reason = reason
            log.warning("not following the stream", reason=reason)


FEED = web.AppKey("feed", Feed)
