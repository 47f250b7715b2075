"""Following single rooms on demand: a service that follows ten rooms receives those ten only.

Nothing is set up on the server for it but subscriptions, so NATS's own interest routing does the
work. A room's entries are delivered as they are signalled (`followed_room`), or else read from the
stream, from the last one delivered on (`room_reader`). A signal may be lost, too; so once a second
the last entries of all rooms are compared with what was delivered (`comparison`).

The stream is identified by its creation time. If that has changed, or the stream ends before the
last sequence seen, every room is read again from the start.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Never

from aiohttp import web
from nats.js.api import StreamInfo
from prometheus_client import Counter, Gauge

from protocol import subjects
from runtime.logs import logger

from .client import Client
from .comparison import Comparison
from .connection import Bus
from .delivery import Delivery, Listener
from .direct import DirectGet
from .errors import BusError, bus_errors
from .followed_room import FLOOD_SECONDS, FollowedRoom
from .reports import Report
from .room_reader import RoomReader
from .stream import Entry, epoch_of

log = logger(__name__)

READERS = 8
"""How many rooms are read at the same time: the server stores nothing while it reads."""
RETRY_SECONDS = 0.25
PAUSES_SECONDS = (0, 0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)
"""Delays before reading again for what was signalled but is not there yet: a message is seen before
it is stored, and a replica that answers may lag behind its leader."""

_rooms = Gauge("tminus_feed_rooms", "Rooms that are followed.")
_resets = Counter("tminus_feed_resets_total", "Rooms read again from the start.")


class Feed:
    """Follows the rooms that are open, and delivers their entries to a listener."""

    def __init__(self, bus: Bus, open_stream: Callable[[], Awaitable[StreamInfo]]) -> None:
        self._bus = bus
        self.tracing = bus.tracing
        self._delivery = Delivery(bus.tracing)
        self._direct = DirectGet(bus)
        self._open_stream = open_stream
        self._rooms: dict[str, FollowedRoom] = {}
        self._reader = RoomReader(self._direct)
        self._comparison = Comparison(self._direct, self._rooms, self._schedule_read)
        self._queue: asyncio.Queue[FollowedRoom] = asyncio.Queue()
        self._is_lost = asyncio.Event()
        self._is_ready = asyncio.Event()
        self._reason = ""
        self._has_one_copy = False
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
            self._rooms[name] = FollowedRoom(
                name, self._delivery.entry, self._schedule_read, self._is_in_order
            )
            self._schedule_read(self._rooms[name])

    def close(self, name: str) -> None:
        """Stop following the room; nothing of it is delivered after this."""
        if (room := self._rooms.pop(name, None)) is not None:
            room.is_closed = True
            room.moved.set()
            self._schedule_read(room)  # to unsubscribe

    def reopen(self, name: str) -> None:
        """Read the room again from the start: what was delivered is not true any more."""
        if (room := self._rooms.get(name)) is not None:
            _resets.inc()
            room.is_new = room.is_stale = True
            self._schedule_read(room)

    async def reached(self, name: str, seq: int, timeout: float) -> bool:
        """Wait up to `timeout` seconds until the room's entry `seq` has been delivered.

        Also true if the stream has passed `seq` and everything it holds of the room was delivered.
        """
        room = self._rooms.get(name)
        if room is None:
            return False
        room.is_stale = True
        self._schedule_read(room)
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while not self._has_reached(room, seq):
                    await room.moved.wait()
                    room.moved.clear()
        return self._has_reached(room, seq)

    def _has_reached(self, room: FollowedRoom, seq: int) -> bool:
        if not room.is_open or room.is_closed:
            return False
        is_current = not room.is_stale and not room.waits_for
        return room.position >= seq or (is_current and self.end >= seq)

    async def newest(self, name: str) -> list[Entry]:
        """The last event and the last message of any room, open or not; raises BusError."""
        wanted = [subjects.events(name), subjects.messages(name)]
        return (await self._direct.multi_last(wanted)).entries

    async def run(self, listener: Listener) -> Never:
        """Follow for ever; raises what the listener raised, since its entry was lost."""
        self._delivery.to(listener, on_failure=self._is_lost.set)
        while True:
            client = await self._bus.connected()
            self._is_lost.clear()
            seen = self._delivery.highest
            try:
                with bus_errors("following"):
                    self._look_at(await self._open_stream(), seen)
                for room in self._rooms.values():
                    room.is_stale = True
                    room.pause_fast_path()
                    self._schedule_read(room)
                await self._follow(client)
            except BusError as error:
                self._say(str(error))
                await asyncio.sleep(RETRY_SECONDS)
            finally:
                self._is_ready.clear()
            if self._delivery.failure is not None:
                raise self._delivery.failure

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

    def _is_in_order(self) -> bool:
        """Whether an answer comes after every event that was stored before what it says: one server
        sends both, in the order of the stream, and the connection has lost nothing."""
        return self._has_one_copy and self._is_ready.is_set()

    # Reading rooms

    def _schedule_read(self, room: FollowedRoom) -> None:
        if not room.is_reading:
            room.is_reading = True
            self._queue.put_nowait(room)

    async def _read_rooms(self, client: Client) -> None:
        while True:
            await self._read_room(client, await self._queue.get())

    async def _read_room(self, client: Client, room: FollowedRoom) -> None:
        try:
            with bus_errors(f"reading room {room.name}"):
                await self._catch_up(client, room)
            room.is_reading = False
        except BusError as error:
            self._say(str(error))
            await asyncio.sleep(RETRY_SECONDS)
        finally:
            if room.is_reading:  # it was interrupted
                self._queue.put_nowait(room)
            elif room.is_stale and not room.is_closed:
                self._schedule_read(room)

    async def _catch_up(self, client: Client, room: FollowedRoom) -> None:
        """Read the room once; if not all that was signalled is there yet, again after a pause."""
        if room.is_closed:
            await room.unsubscribe(client)
            return
        await room.subscribe(client)
        room.is_stale = False
        if await self._read_on(room):
            room.attempts = 0
        room.moved.set()
        if room.is_closed:  # while it was read
            await room.unsubscribe(client)
        elif not room.has_hints_left:
            self._schedule_read_later(room, FLOOD_SECONDS)
        elif not room.waits_for:
            room.attempts = 0
        elif room.attempts < len(PAUSES_SECONDS):
            self._schedule_read_later(room, PAUSES_SECONDS[room.attempts])
            room.attempts += 1
        else:  # it was not stored, or has gone again
            room.awaited = room.signalled = room.attempts = 0

    def _schedule_read_later(self, room: FollowedRoom, seconds: float) -> None:
        if room.timer is not None:
            room.timer.cancel()
        loop = asyncio.get_running_loop()
        room.timer = loop.call_later(seconds, self._schedule_read, room)

    async def _read_on(self, room: FollowedRoom) -> bool:
        """Deliver what the stream holds after the room's position; returns whether it found any
        message."""
        likely = list(room.last) if room.is_new else room.waits_for
        if room.is_new:
            room.is_new = room.is_open = False
            room.last = dict.fromkeys(room.last, 0)
            self._delivery.reset(room)
        is_flooded = room.is_flooded
        entries = await self._reader.read(room, likely, is_flooded)
        if room.is_closed or room.is_new:
            return True
        is_late = any(room.last[entry.subject] < entry.seq < room.position for entry in entries)
        if is_late and room.is_open and not is_flooded:
            # It came too late to be delivered in order.
            self.reopen(room.name)
            return True
        messages = 0
        for entry in entries:
            if room.is_closed:
                return True
            messages += entry.subject == subjects.messages(room.name)
            if entry.seq > room.position:
                self._delivery.entry(room, entry)
        if is_flooded:
            room.skip_messages()
        room.awaited = max(0, room.awaited - messages)
        if not room.is_open:
            self._delivery.opened(room)
        return messages > 0

    # Once a second: find lost signals, and check that the stream is the same

    async def _look(self) -> Never:
        while True:
            seen = self._delivery.highest  # by now: what comes later may not be in the report
            await self._bus.reports.next()
            report = await self._bus.reports.next()  # asked for after the one before
            try:
                with bus_errors("following"):
                    self._look_at(report or await self._open_stream(), seen)
                    await self._comparison.compare(self.end)
            except BusError as error:
                self._say(str(error))

    def _look_at(self, stream: StreamInfo | Report, seen: int) -> None:
        """See how far the stream goes; if it is another one, or ends before `seen`, read all rooms
        again."""
        epoch, self.end = epoch_of(stream), stream.state.last_seq
        self.floor = max(0, stream.state.first_seq - 1)
        self._has_one_copy = stream.config.num_replicas == 1
        if epoch == self.epoch and self.end >= seen:
            return
        if self.epoch:
            log.warning("the stream was recreated or truncated; resetting", epoch=epoch)
        self.epoch, self._delivery.highest = epoch, 0
        self._comparison.restart()
        for name in list(self._rooms):
            self.reopen(name)

    def _say(self, reason: str) -> None:
        if reason != self._reason:
            self._reason = reason
            log.warning("not following the stream", reason=reason)


FEED = web.AppKey("feed", Feed)
