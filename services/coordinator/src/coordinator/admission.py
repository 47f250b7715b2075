"""Admission control: how many viewers there may be, and of how many rooms, in all and by address.

A handshake counts as a viewer from its beginning, so those that wait for a room's past are bounded,
too. A room counts for the address that opened it until it is dropped.
"""

from collections import Counter as Count
from collections.abc import Iterator
from contextlib import contextmanager
from sys import intern

from aiohttp import web
from prometheus_client import Counter

from runtime.client_address import client_address, networks

from .connections import Connections
from .hub import LINGER_SECONDS, Hub
from .settings import Settings

FULL_SECONDS = 5
"""When to come again after a refusal for the number of viewers."""

refused = Counter("tminus_handshakes_refused_total", "Viewers over a limit.", ["reason"])


class Admission:
    """Admits handshakes, of `max_viewers` at most."""

    def __init__(
        self, settings: Settings, max_viewers: int, connections: Connections, hub: Hub
    ) -> None:
        self._settings = settings
        self._trusted = networks(settings.trusted_proxies)
        self._max_viewers = max_viewers
        self._connections = connections
        self._hub = hub
        self._handshakes = 0
        self._handshakes_by_address: Count[str] = Count()

    def address(self, request: web.Request) -> str:
        """Where a viewer comes from: one string for all that come from there."""
        return intern(client_address(request, self._trusted))

    @contextmanager
    def handshake(self, address: str, room: str) -> Iterator[None]:
        """Hold the place of a viewer of `room` until it has joined, or the handshake has failed.

        Raises an HTTP error, 429 if the address is over a limit, 503 if all together are.
        """
        self._refuse_viewers(address)
        self._refuse_rooms(address, room)
        self._handshakes += 1
        self._handshakes_by_address[address] += 1
        try:
            yield
        finally:
            self._handshakes -= 1
            self._handshakes_by_address[address] -= 1
            if not self._handshakes_by_address[address]:
                del self._handshakes_by_address[address]

    def _refuse_viewers(self, address: str) -> None:
        viewers = self._connections.by_address[address] + self._handshakes_by_address[address]
        if self._connections.count + self._handshakes >= self._max_viewers:
            raise _full("all", "full", FULL_SECONDS)
        if viewers >= self._settings.max_viewers_per_address:
            raise _too_many("address", "too many viewers from your address", FULL_SECONDS)

    def _refuse_rooms(self, address: str, room: str) -> None:
        if room in self._hub.rooms:
            return
        wait_seconds = int(LINGER_SECONDS)
        if len(self._hub.rooms) >= self._settings.max_followed_rooms:
            raise _full("rooms_all", "too many rooms are watched", wait_seconds)
        if self._hub.opened_by[address] >= self._settings.max_followed_rooms_per_address:
            words = "too many rooms are watched from your address"
            raise _too_many("rooms_address", words, wait_seconds)


def _full(reason: str, words: str, retry_seconds: int) -> web.HTTPException:
    refused.labels(reason).inc()
    headers = {"Retry-After": f"{retry_seconds}"}
    return web.HTTPServiceUnavailable(text=f"{words}\n", headers=headers)


def _too_many(reason: str, words: str, retry_seconds: int) -> web.HTTPException:
    refused.labels(reason).inc()
    headers = {"Retry-After": f"{retry_seconds}"}
    return web.HTTPTooManyRequests(text=f"{words}\n", headers=headers)


ADMISSION = web.AppKey("admission", Admission)
