"""Admission control: how many viewers there may be, and of how many rooms, in all and by address.

A handshake counts as a viewer from its beginning, so those that wait for a room's past are bounded,
too; by address, one of several rooms counts as a viewer of each. A room counts for the address that
opened it until it is dropped, and an address has only a few opened at the same time: its others
wait, and nobody else's wait for them.
"""

import asyncio
from collections import Counter as Count
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from sys import intern
from weakref import WeakValueDictionary

from aiohttp import web
from prometheus_client import Counter, Gauge

from runtime.client_address import client_address, networks
from runtime.metrics import from_zero

from .connections import Connections
from .hub import LINGER_SECONDS, Hub
from .settings import Settings

FULL_SECONDS = 5
"""When to come again after a refusal for the number of viewers."""

OPENINGS = 2
"""How many rooms may be opened for one address at the same time: a few of the feed's readers."""
TURN_SECONDS = 1.0
"""How long the others of its rooms may wait for that, if meanwhile no room at all is opened."""
TURN_TIMES = 20
"""How many times as long, while some are."""
SOON_SECONDS = 1
"""When to come again after a refusal for what takes a moment."""

_most = Gauge("tminus_viewers_limit", "The most viewers that this coordinator admits.")
_most_rooms = Gauge("tminus_feed_rooms_limit", "The most rooms that it follows for its viewers.")
_refused = from_zero(
    Counter("tminus_handshakes_refused_total", "Viewers over a limit.", ["reason"]),
    *("address", "all", "rooms_address", "rooms_all", "rooms_opening", "stopping", "stream"),
)


class Admission:
    """Admits handshakes, of `max_viewers` at most."""

    def __init__(
        self, settings: Settings, max_viewers: int, connections: Connections, hub: Hub
    ) -> None:
        self._settings = settings
        self._trusted = networks(settings.trusted_proxies)
        self._max_viewers = max_viewers
        _most.set(max_viewers)
        _most_rooms.set(settings.max_followed_rooms)
        self._connections = connections
        self._hub = hub
        self._handshakes = 0
        self._handshakes_by_address: Count[str] = Count()
        self._turns: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    def address(self, request: web.Request) -> str:
        """Where a viewer comes from: one string for all that come from there."""
        return intern(client_address(request, self._trusted))

    @contextmanager
    def handshake(self, address: str, rooms: Sequence[str]) -> Iterator[None]:
        """Hold the place of a viewer of `rooms` until it has joined, or the handshake has failed.

        Raises an HTTP error, 429 if the address is over a limit, 503 if all together are.
        """
        self._refuse_viewers(address, len(rooms))
        self._refuse_rooms(address, rooms)
        self._handshakes += 1
        self._handshakes_by_address[address] += len(rooms)
        try:
            yield
        finally:
            self._handshakes -= 1
            self._handshakes_by_address[address] -= len(rooms)
            if not self._handshakes_by_address[address]:
                del self._handshakes_by_address[address]

    @asynccontextmanager
    async def turn(self, address: str, room: str) -> AsyncIterator[None]:
        """Wait until it is the address's turn to have `room` opened, unless it is open already.

        Raises an HTTP error if that takes too long, or if too many rooms are open by then.
        """
        if room in self._hub.rooms:
            yield
            return
        turns = self._turns.setdefault(address, asyncio.Semaphore(OPENINGS))
        await self._acquire(turns)
        try:
            self._refuse_rooms(address, [room])
            yield
        finally:
            turns.release()

    async def _acquire(self, turns: asyncio.Semaphore) -> None:
        for _ in range(TURN_TIMES):
            read = self._hub.rooms_read
            with suppress(TimeoutError):
                async with asyncio.timeout(TURN_SECONDS):
                    await turns.acquire()
                    return
            if self._hub.rooms_read == read:
                break
        raise self._out_of_turn()

    def _out_of_turn(self) -> web.HTTPException:
        if not self._hub.is_following:
            return not_caught_up()
        words = "too many rooms are being opened from your address"
        return _too_many("rooms_opening", words, SOON_SECONDS)

    def _refuse_viewers(self, address: str, places: int) -> None:
        viewers = self._connections.by_address[address] + self._handshakes_by_address[address]
        if self._connections.count + self._handshakes >= self._max_viewers:
            raise _full("all", "full", FULL_SECONDS)
        if viewers + places > self._settings.max_viewers_per_address:
            raise _too_many("address", "too many viewers from your address", FULL_SECONDS)

    def _refuse_rooms(self, address: str, rooms: Sequence[str]) -> None:
        opening = sum(room not in self._hub.rooms for room in rooms)
        if not opening:
            return
        wait_seconds = int(LINGER_SECONDS)
        if len(self._hub.rooms) + opening > self._settings.max_followed_rooms:
            raise _full("rooms_all", "too many rooms are watched", wait_seconds)
        opened = self._hub.opened_by[address]
        if opened + opening > self._settings.max_followed_rooms_per_address:
            words = "too many rooms are watched from your address"
            raise _too_many("rooms_address", words, wait_seconds)


def not_caught_up() -> web.HTTPException:
    """The error for a handshake whose room can't be read in time."""
    return _full("stream", "not caught up with the stream", SOON_SECONDS)


def shutting_down() -> web.HTTPException:
    """The error for a handshake that is still waiting when the coordinator stops."""
    return _full("stopping", "shutting down", SOON_SECONDS)


def _full(reason: str, words: str, retry_seconds: int) -> web.HTTPException:
    _refused.labels(reason).inc()
    headers = {"Retry-After": f"{retry_seconds}"}
    return web.HTTPServiceUnavailable(text=f"{words}\n", headers=headers)


def _too_many(reason: str, words: str, retry_seconds: int) -> web.HTTPException:
    _refused.labels(reason).inc()
    headers = {"Retry-After": f"{retry_seconds}"}
    return web.HTTPTooManyRequests(text=f"{words}\n", headers=headers)


ADMISSION = web.AppKey("admission", Admission)
