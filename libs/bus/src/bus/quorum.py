"""Staying with the stream's quorum: a service whose server is cut off moves to another server.

A server that is cut off from the others keeps its clients and goes on answering: direct gets from
its own copy of the stream, and for up to twenty seconds, if it was the stream's leader, as that.
Nothing that is sent to it is stored, and nothing that is stored elsewhere arrives. Only the
leader's report shows it: how long ago the leader heard from each of the others.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Never

import nats.js.errors
from aiohttp import web

from runtime.background import background
from runtime.logs import logger

from . import stream_metrics
from .client import Client
from .connection import BUS, Bus
from .errors import BusError, BusTimeout, bus_errors
from .reports import Report, ask
from .stream import checked

log = logger(__name__)

LOOK_SECONDS = 0.5
LOOK_AGAIN_SECONDS = 0.1
"""How often to look while there is no quorum."""
ANSWER_SECONDS = 1.0
SILENCE_SECONDS = 3.0
"""After so long without an answer there is no quorum; a report of its loss counts at once."""


@asynccontextmanager
async def staying_with_the_quorum(app: web.Application) -> AsyncIterator[None]:
    """The cleanup context that watches `app[BUS]`."""
    async with background(Quorum(app[BUS]).run()):
        yield


class Quorum:
    """Notes in `Bus.no_quorum` whether the stream's leader has a quorum, as far as this connection
    knows, and moves the bus to a server that knows better. Gives the leader's report to whoever
    needs it."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._clock = asyncio.get_running_loop().time
        self._seen_at = self._clock()
        self._was_seen = False
        """Whether there ever was a quorum; until then other checks say what is missing."""
        self._is_lost = False

    async def run(self) -> Never:
        """Look, and move if the stream has a quorum elsewhere and not here; for ever."""
        while True:
            await asyncio.sleep(LOOK_AGAIN_SECONDS if self._bus.no_quorum else LOOK_SECONDS)
            client = await self._bus.connected()
            if await self._is_here(client) or not self._is_lost:
                continue
            server = await self._elsewhere(client)
            # An election may be over meanwhile, and its leader known here, too.
            if server is not None and not await self._is_here(client):
                log.warning("cut off from the stream's quorum, moving to another server")
                with suppress(BusError):
                    await self._bus.move_to(server)

    async def _is_here(self, client: Client) -> bool:
        """Whether the stream has a quorum over the bus's own connection; notes the answer."""
        try:
            report = await _report(client)
        except BusError as error:
            silent_for = self._clock() - self._seen_at
            self._is_lost = not isinstance(error, BusTimeout) or silent_for > SILENCE_SECONDS
            if self._is_lost and self._was_seen:
                self._bus.no_quorum = str(error)
            return False
        self._seen_at, self._was_seen, self._is_lost = self._clock(), True, False
        self._bus.no_quorum = ""
        self._bus.reports.put(report)
        if report is not None:
            stream_metrics.note(report)
        return True

    async def _elsewhere(self, client: Client) -> str | None:
        """A server over which the stream has a quorum; None if there is none."""
        here = client.connected_url
        others = [one.geturl() for one in client.servers if one != here]
        for server in random.sample(others, len(others)):
            with suppress(BusError):
                async with self._bus.visiting(server) as visitor:
                    await _report(visitor)
                    return server
        return None


async def _report(client: Client) -> Report | None:
    """The report of the stream's leader; None if the stream isn't there yet.

    Raises BusError if the leader has no quorum."""
    with bus_errors("the stream's leader"), suppress(nats.js.errors.NotFoundError):
        return checked(await ask(client, ANSWER_SECONDS))
    return None
