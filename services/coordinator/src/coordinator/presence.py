"""How many viewers the other coordinators have: each tells the others, once a second at most."""

import asyncio
import uuid
from contextlib import suppress
from typing import Never

import msgspec
from msgspec import Struct
from nats.aio.msg import Msg

from protocol import subjects
from protocol.frames import Screens
from runtime.bus import Bus, BusError, bus_errors
from runtime.logs import logger
from runtime.rooms import dropped

from .hub import Hub

log = logger(__name__)

REPEAT_SECONDS = 3.0
"""A coordinator tells its counts anew this often, though nothing has changed."""
EXPIRE_SECONDS = 8.0
"""A coordinator that has not been heard for this long has no viewers."""


class Count(Struct, frozen=True, array_like=True):
    """A room's viewers on one coordinator, and what they report."""

    viewers: int
    screens: Screens


class Presence(Struct, frozen=True):
    """What one coordinator tells the others."""

    id: str
    rooms: dict[str, Count]


class Peers:
    """The other coordinators, as they were last heard."""

    def __init__(self, bus: Bus, hub: Hub) -> None:
        self._bus = bus
        self._hub = hub
        self._id = uuid.uuid4().hex
        self._heard: dict[str, tuple[float, Presence]] = {}
        self._told: dict[str, Count] = {}
        self._told_at = 0.0

    def screens(self, room: str) -> Screens:
        """What all viewers of a room report, on every coordinator."""
        all_screens = [
            presence.rooms[room].screens
            for _, presence in self._heard.values()
            if room in presence.rooms
        ]
        if room in self._hub.rooms:
            all_screens.append(self._hub.rooms[room].screens())
        errors = [s.worst_error_ms for s in all_screens if s.worst_error_ms is not None]
        return Screens(
            reporting=sum(s.reporting for s in all_screens),
            in_step=sum(s.in_step for s in all_screens),
            worst_error_ms=max(errors, default=None),
        )

    async def listen(self) -> Never:
        """Take in what the others tell."""
        while True:
            client = await self._bus.connected()
            with suppress(BusError), bus_errors(subjects.PRESENCE):
                await client.subscribe(subjects.PRESENCE, cb=self._hear)
            await self._bus.closed(client)

    async def tell(self) -> Never:
        """Tell the others, and the viewers of every room whose number has changed."""
        try:
            while True:
                await asyncio.sleep(1)
                now = self._hub.crowd.loop.time()
                for peer, (heard_at, _) in list(self._heard.items()):
                    if now - heard_at > EXPIRE_SECONDS:
                        del self._heard[peer]
                self._add_up()
                rooms = self._counts()
                if rooms != self._told or now - self._told_at > REPEAT_SECONDS:
                    await self._say(rooms)
                    self._told, self._told_at = rooms, now
        finally:
            await self._say({})

    def _counts(self) -> dict[str, Count]:
        return {
            name: Count(len(room), room.screens())
            for name, room in self._hub.rooms.items()
            if room.audiences
        }

    def _add_up(self) -> None:
        elsewhere: dict[str, int] = {}
        for _, presence in self._heard.values():
            for name, count in presence.rooms.items():
                elsewhere[name] = elsewhere.get(name, 0) + count.viewers
        self._hub.situation.elsewhere = elsewhere
        for room in self._hub.rooms.values():
            if room.audiences:
                self._hub.tell_viewers(room)
        self._hub.set_metrics()
        self._hub.tidy()

    async def _say(self, rooms: dict[str, Count]) -> None:
        with suppress(BusError), bus_errors(subjects.PRESENCE):
            payload = msgspec.json.encode(Presence(self._id, rooms))
            await self._bus.client.publish(subjects.PRESENCE, payload)

    async def _hear(self, message: Msg) -> None:
        try:
            presence = msgspec.json.decode(message.data, type=Presence)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            dropped.labels("presence").inc()
            log.warning("dropped", subject=message.subject, reason="not a presence")
            return
        if presence.id != self._id:
            self._heard[presence.id] = (self._hub.crowd.loop.time(), presence)
