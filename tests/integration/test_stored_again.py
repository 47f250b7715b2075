"""What the keeper does not store again: what has been followed, or never was removed."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

import pytest
from nats.aio.client import Client

from bus.connection import Bus
from bus.removals import Kept, Removals
from runtime.background import background
from runtime.clock import whole_now_ms
from scheduler.commands import Commands
from scheduler.event_store import EventStore
from scheduler.keeper import Keeper
from scheduler.load import Load
from scheduler.settings import Settings
from support.bus_client import history
from support.nats_server import NatsServer
from support.served import Serve

WEEK_SECONDS = 7 * 24 * 3600


class Late(Removals):
    """Finds every room's event removed, and old, and says so after something has happened there."""

    def __init__(self, bus: Bus, happen: Callable[[], Awaitable[object]]) -> None:
        super().__init__(bus)
        self._happen = happen

    async def missing(self, rooms: Mapping[str, int]) -> list[str]:
        await self._happen()
        return [*rooms]

    async def stored_before(self, at: float, rooms: Mapping[str, int]) -> list[str]:
        await self._happen()
        return [*rooms]


@pytest.fixture
async def connection(nats_server: NatsServer) -> AsyncIterator[Bus]:
    bus = Bus(Settings(nats_url=nats_server.url), "scheduler")
    async with background(bus.run()):
        await bus.connected()
        yield bus


async def test_an_event_that_another_one_has_followed_is_not_stored_again(
    connection: Bus, serve_coordinator: Serve, bus: Client
) -> None:
    await serve_coordinator()
    store = EventStore(connection, Load(100, 1000))
    commands, keeper = Commands(store, "scheduler-1"), Keeper(connection, store)
    await commands.start(json.dumps({"starts_at": whole_now_ms() + 60_000}).encode())
    keeper._removals = Late(connection, lambda: commands.adjust(b'{"seconds": 1}'))
    await keeper._look(Kept(created="", first_seq=1, gaps=0, max_age_seconds=WEEK_SECONDS))
    assert [event["from"] for event in await history(bus)] == [10, 11, 12]
