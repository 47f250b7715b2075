"""A room's frames as Server-Sent Events, read line by line."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp.test_utils import TestServer

from .waiting import WAIT_SECONDS

Event = dict[str, str]


@asynccontextmanager
async def listening(
    server: TestServer, path: str = "/sse/connect", **headers: str
) -> AsyncIterator[AsyncIterator[Event]]:
    """Connect as an event stream; gives the fields of each event."""
    timeout = aiohttp.ClientTimeout(total=WAIT_SECONDS)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.get(server.make_url(path), headers=headers) as response,
    ):
        assert response.content_type == "text/event-stream"
        yield events(response)


async def events(response: aiohttp.ClientResponse) -> AsyncIterator[Event]:
    event: Event = {}
    async for line in response.content:
        text = line.decode().rstrip("\n")
        if not text and event:
            yield event
            event = {}
        elif text and not text.startswith(":"):
            name, _, value = text.partition(": ")
            event[name] = value
