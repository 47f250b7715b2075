"""What requests may use up: commands, reads and rooms, of each address and of all together."""

import math
import time

from aiohttp import web
from aiohttp.typedefs import Handler
from prometheus_client import Counter

from runtime.client_address import client_address, networks
from runtime.metrics import from_zero
from runtime.rate_limit import RateLimit

from .problem import Problem
from .settings import Settings

WINDOW_SECONDS = 60
"""How long a room counts as one of those that an address has used."""
_FREE = ("/static/", "/healthz", "/readyz", "/metrics")
_COMMANDS = {"POST", "DELETE"}
_WORDS = {
    "address": "Too many requests from your address: try again in a moment.",
    "all": "Too many requests at the moment: try again soon.",
}

_refused = from_zero(
    Counter("tminus_requests_refused_total", "Requests over a budget, by reason.", ["reason"]),
    *(f"{kind}_{whose}" for kind in ("commands", "reads", "rooms") for whose in _WORDS),
)


class Budgets:
    """The budgets of one frontend."""

    def __init__(self, settings: Settings) -> None:
        self.trusted = networks(settings.trusted_proxies)
        self._commands = RateLimit(settings.max_commands_per_address, settings.max_commands)
        self._reads = RateLimit(settings.max_reads_per_address, settings.max_reads)
        self._rooms = Rooms(settings.max_rooms_per_address, settings.max_rooms)

    def take(self, address: str, room: str | None, now: float, count: int = 1) -> None:
        """Take what a request costs: `count` reads, or, if it names a `room`, a command there.

        `now` is in milliseconds by a monotonic clock. Raises Problem, 429 if the address is over
        its budget, 503 if all together are.
        """
        kind, limit = ("commands", self._commands) if room else ("reads", self._reads)
        refused = limit.take(address, now, count)
        if refused is None and room:
            kind, refused = "rooms", self._rooms.take(address, room, now)
        if refused is not None:
            whose, wait_ms = refused
            _refused.labels(f"{kind}_{whose}").inc()
            status = 429 if whose == "address" else 503
            raise Problem(status, _WORDS[whose], retry_after=math.ceil(wait_ms / 1000))


class Rooms:
    """Which rooms each address has started or written in during the present minute."""

    def __init__(self, per_address: int, in_all: int) -> None:
        self._per_address = per_address
        self._in_all = in_all
        self._used: dict[str, set[str]] = {}
        self._count = 0
        self._ends_at = 0.0

    def take(self, address: str, room: str, now: float) -> tuple[str, float] | None:
        """Note the room; or returns whose limit it is over, and how long to wait, in ms."""
        if now >= self._ends_at:
            self._used, self._count = {}, 0
            self._ends_at = now + WINDOW_SECONDS * 1000
        used = self._used.get(address, set())
        if room in used:
            return None
        if len(used) >= self._per_address:
            return "address", self._ends_at - now
        if self._count >= self._in_all:
            return "all", self._ends_at - now
        self._used.setdefault(address, used).add(room)
        self._count += 1
        return None


@web.middleware
async def within(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse a request that is over a budget; files and what operators ask for are free."""
    if not request.path.startswith(_FREE):
        budgets = request.app[BUDGETS]
        room = request.match_info.get("room") if request.method in _COMMANDS else None
        address = client_address(request, budgets.trusted)
        budgets.take(address, room, time.monotonic() * 1000)
    return await handler(request)


def charge(request: web.Request, reads: int) -> None:
    """Take the reads that a request for several rooms costs besides its own one; raises Problem."""
    budgets = request.app[BUDGETS]
    address = client_address(request, budgets.trusted)
    budgets.take(address, None, time.monotonic() * 1000, reads)


BUDGETS = web.AppKey("budgets", Budgets)
