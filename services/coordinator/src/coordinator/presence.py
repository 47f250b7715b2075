"""The viewer counts of the other coordinators: each publishes its own, once a second at most."""

import asyncio
import uuid
from contextlib import suppress
from itertools import islice
from typing import Never

import msgspec
from msgspec import Struct
from nats.aio.msg import Msg

from bus.connection import Bus
from bus.entries import dropped
from bus.errors import BusError, bus_errors
from protocol import subjects
from protocol.frames import Screens
from runtime.logs import logger

from .hub import Hub
from .room_metrics import note_screens

log = logger(__name__)

REPEAT_SECONDS = 3.0
"""A coordinator repeats its counts this often, even if nothing has changed."""
EXPIRE_SECONDS = 8.0
"""A coordinator that was silent for this long counts as having no viewers."""
ROOMS_A_PART = 300
"""With the longest names these are 45 KB; the bus accepts 64 KB."""


class Count(Struct, frozen=True, array_like=True):
    """A room's viewers on one coordinator, and their reports."""

    viewers: int
    screens: Screens


class Presence(Struct, frozen=True):
    """One message between coordinators: some of the sender's rooms, one part of several."""

    id: str
    rooms: dict[str, Count]
    part: int = 0
    is_last: bool = True


class Peer:
    """Another coordinator, by its last messages."""

    __slots__ = ("coming", "heard_at", "rooms")

    def __init__(self) -> None:
        self.heard_at = 0.0
        self.rooms: dict[str, Count] = {}
        self.coming: dict[str, Count] = {}
        """The parts received of an incomplete set."""

    def take(self, presence: Presence, now: float) -> None:
        """Handle a part; the last one replaces the known rooms."""
        self.heard_at = now
        if presence.part == 0:
            self.coming = {}
        self.coming.update(presence.rooms)
        if presence.is_last:
            self.rooms, self.coming = self.coming, {}


class Peers:
    """The other coordinators, by their last messages."""

    def __init__(self, bus: Bus, hub: Hub) -> None:
        self._bus = bus
        self._hub = hub
        self._id = uuid.uuid4().hex
        self._peers: dict[str, Peer] = {}
        self._published: dict[str, Count] = {}
        self._published_at = 0.0

    def screens(self, room: str) -> Screens:
        """The reports of all viewers of a room, on every coordinator, as each last summed them up.

        Every page that is opened asks for this, and a sum takes milliseconds with 10,000 viewers.
        """
        published = [self._published, *(peer.rooms for peer in self._peers.values())]
        all_screens = [rooms[room].screens for rooms in published if room in rooms]
        errors = [s.worst_error_ms for s in all_screens if s.worst_error_ms is not None]
        return Screens(
            reporting=sum(s.reporting for s in all_screens),
            in_step=sum(s.in_step for s in all_screens),
            worst_error_ms=max(errors, default=None),
        )

    async def subscribe(self) -> Never:
        """Receive the other coordinators' counts, for ever."""
        while True:
            client = await self._bus.connected()
            with suppress(BusError), bus_errors(subjects.PRESENCE):
                await client.subscribe(subjects.PRESENCE, cb=self._on_presence)
            await self._bus.closed(client)

    async def publish(self) -> Never:
        """Publish this coordinator's viewer counts, for ever."""
        try:
            while True:
                await asyncio.sleep(1)
                now = asyncio.get_running_loop().time()
                rooms = self._counts()
                note_screens(count.screens for count in rooms.values())
                if rooms != self._published or now - self._published_at > REPEAT_SECONDS:
                    await self._send(rooms)
                    self._published, self._published_at = rooms, now
        finally:
            await self._send({})

    def _counts(self) -> dict[str, Count]:
        return {
            name: Count(len(room), room.screens())
            for name, room in self._hub.rooms.items()
            if room.groups
        }

    def remote_counts(self) -> dict[str, int]:
        """The viewers on other coordinators, by room."""
        expired_at = asyncio.get_running_loop().time() - EXPIRE_SECONDS
        self._peers = {
            name: peer for name, peer in self._peers.items() if peer.heard_at > expired_at
        }
        counts: dict[str, int] = {}
        for peer in self._peers.values():
            for name, count in peer.rooms.items():
                counts[name] = counts.get(name, 0) + count.viewers
        return counts

    async def _send(self, rooms: dict[str, Count]) -> None:
        starts = range(0, len(rooms), ROOMS_A_PART) or [0]
        with suppress(BusError), bus_errors(subjects.PRESENCE):
            for part, start in enumerate(starts):
                some = dict(islice(rooms.items(), start, start + ROOMS_A_PART))
                presence = Presence(self._id, some, part, is_last=start == starts[-1])
                await self._bus.client.publish(subjects.PRESENCE, msgspec.json.encode(presence))

    async def _on_presence(self, message: Msg) -> None:
        # Whoever may create consumers can have the stream deliver a message here; its own subject
        # is unchanged then.
        if message.subject != subjects.PRESENCE:
            return
        try:
            presence = msgspec.json.decode(message.data, type=Presence)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            dropped.labels("presence").inc()
            log.warning("dropped", subject=message.subject, reason="not a presence")
            return
        if presence.id != self._id:
            peer = self._peers.setdefault(presence.id, Peer())
            peer.take(presence, asyncio.get_running_loop().time())
