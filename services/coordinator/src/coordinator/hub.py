"""The watched rooms: entries of the stream come in, frames go out to their viewers."""

import asyncio
from collections import Counter as Count
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Never

from aiohttp import web
from prometheus_client import Counter

from bus.entries import drop, read_event
from bus.feed import Feed
from bus.stream import Entry
from protocol import messages, subjects
from protocol.events import Started
from protocol.frames import MessageFrame, Viewers
from runtime.clock import now_ms
from runtime.logs import logger

from .connections import Connections
from .prepared import PreparedFrame
from .room import Room
from .room_metrics import RoomMetrics

log = logger(__name__)

LINGER_SECONDS = 30.0
"""How long a room is kept after its last viewer has left: a page that reloads finds it."""
DROPPED_A_TURN = 50
"""So many rooms take 2 ms; 2,000 at once would make a tick 60 ms late."""

_skipped = Counter("tminus_messages_skipped_total", "Messages over a room's rate limit, not shown.")


class Hub:
    """The rooms of this coordinator, each from its first viewer until some time after its last."""

    def __init__(self, instance: str, connections: Connections, feed: Feed) -> None:
        self._instance = instance
        self.connections = connections
        self._feed = feed
        self._metrics = RoomMetrics()
        self.rooms: dict[str, Room] = {}
        self.rooms_read = 0
        """How many rooms' pasts have been read so far, some of them again."""
        self.opened_by: Count[str] = Count()
        """How many of the rooms each address has opened."""

    @property
    def is_following(self) -> bool:
        """Whether the stream can be read."""
        return self._feed.check() is None

    def room(self, name: str, address: str = "") -> Room:
        """The room called `name`; if it was not followed yet, follows it for `address`."""
        room = self.rooms.get(name)
        if room is None:
            room = self.rooms[name] = Room(
                name, self._instance, self.connections, self._feed.tracing
            )
            room.opened_by = address
            self.opened_by[address] += 1
            self._feed.open(name)
        return room

    async def opened(self, name: str, timeout: float, address: str = "") -> Room | None:
        """The room, once its past is read; None if that takes longer than `timeout` seconds."""
        room = self.room(name, address)
        room.is_awaited += 1  # so that it is not dropped meanwhile
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await room.opened.wait()
            return room if room.opened.is_set() else None
        finally:
            room.is_awaited -= 1
            room.touch()

    # Called by the feed

    def on_reset(self, name: str) -> None:
        """A room's past is about to be delivered, for the first time or again."""
        if (room := self.rooms.get(name)) is not None:
            room.reset(self._feed.epoch, self._feed.floor)

    def on_entry(self, name: str, entry: Entry) -> None:
        """The next entry of a room."""
        if (room := self.rooms.get(name)) is None:
            return
        if entry.subject == subjects.events(name):
            event = read_event(entry, name)
            if room.traces is not None:
                room.traces.add(entry.seq, event)
            frame = room.history.add_event(entry.seq, event, room.epoch)
            # The first tick of a run that starts at once is on its way already.
            is_first_of_two = isinstance(event, Started) and event.starts_at <= now_ms()
        else:
            frame, is_first_of_two = self._message(room, entry), False
        if frame is not None:
            self._metrics.count(frame.kind)
            room.publish(frame, is_first_of_two)

    def on_opened(self, name: str) -> None:
        """Everything that the stream holds of a room has been delivered."""
        self.rooms_read += 1
        if (room := self.rooms.get(name)) is not None:
            room.on_read()

    def _message(self, room: Room, entry: Entry) -> PreparedFrame | None:
        if not room.opened.is_set():
            room.history.note_message(entry.seq)
        try:
            text = messages.decode(entry.data)
        except messages.MessageError as error:
            drop("message", entry, str(error))
            return None
        budget = room.history.message_budget
        was_spent = budget.is_spent
        if not budget.take(messages.cost(len(entry.data)), entry.at):
            _skipped.inc()
            if not was_spent:
                log.warning("messages over the room's rate limit are not shown", room=room.name)
            return None
        frame = MessageFrame(seq=entry.seq, room=room.name, text=text, at=entry.at)
        return room.history.add_message(entry.seq, frame, room.epoch)

    # Once a second

    async def run(self, remote_counts: Callable[[], Mapping[str, int]]) -> Never:
        """Send viewer counts, update the metrics, drop idle rooms; for ever.

        `remote_counts` gives the viewers on other coordinators, by room.
        """
        while True:
            await asyncio.sleep(1)
            self.send_viewer_counts(remote_counts())
            self.update_metrics()
            await self.drop_idle_rooms()

    def send_viewer_counts(self, remote_counts: Mapping[str, int]) -> None:
        """Send its viewer count to every room in which it has changed.

        The count goes with the room's next frame, or alone a second later.
        """
        for name, room in self.rooms.items():
            room.remote_count = remote_counts.get(name, 0)
            if not room.groups:
                continue
            has_waited = room.outbox.has_deferred
            if room.count != room.sent_count:
                room.sent_count = room.count
                room.outbox.defer(PreparedFrame.of(Viewers(room=name, count=room.count)))
            if has_waited:
                room.outbox.send_deferred(len(room))

    def update_metrics(self) -> None:
        """Update the metrics of the rooms."""
        sizes = [len(room) for room in self.rooms.values() if room.groups]
        self._metrics.update(self.connections.count, sizes)

    async def drop_idle_rooms(self) -> None:
        """Drop the rooms that nobody has watched for LINGER_SECONDS, not all of them in one turn of
        the loop."""
        idle_since = self.connections.loop.time() - LINGER_SECONDS
        idle = [name for name, room in self.rooms.items() if room.is_idle_since(idle_since)]
        for dropped, name in enumerate(idle, start=1):
            if self.rooms[name].is_idle_since(idle_since):
                self._drop(name)
            if dropped % DROPPED_A_TURN == 0:
                await asyncio.sleep(0)

    def _drop(self, name: str) -> None:
        self._feed.close(name)
        room = self.rooms.pop(name)
        room.outbox.detach()
        self.opened_by[room.opened_by] -= 1
        if not self.opened_by[room.opened_by]:
            del self.opened_by[room.opened_by]


HUB = web.AppKey("hub", Hub)
