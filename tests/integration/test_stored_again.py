"""What the keeper stores again, whoever noticed first that it was removed, and what not."""

import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from nats.aio.client import Client

from bus.connection import Bus
from bus.errors import BusTimeout, ServiceError
from bus.removals import Kept, Removals
from bus.stream import Entry
from protocol import events, subjects
from protocol.events import Event
from protocol.rules import Countdown
from runtime.clock import whole_now_ms
from scheduler.commands import Commands
from scheduler.event_store import EventStore
from scheduler.keeper import Keeper
from scheduler.load import Load
from support.bus_client import history
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


def looking(last: int) -> Kept:
    """What the stream keeps, after so many removals."""
    return Kept(created="", first_seq=last, gaps=0, max_age_seconds=0)


async def scheduled(connection: Bus, serve_coordinator: Serve) -> tuple[EventStore, Commands]:
    """A scheduler with a run that is scheduled for later."""
    await serve_coordinator()
    store = EventStore(connection, Load(100, 1000))
    commands = Commands(store, "scheduler-1")
    await commands.start(json.dumps({"starts_at": whole_now_ms() + 60_000}).encode())
    return store, commands


async def test_an_event_is_stored_again_though_a_command_noticed_first_that_it_was_removed(
    connection: Bus, serve_coordinator: Serve, bus: Client
) -> None:
    store, commands = await scheduled(connection, serve_coordinator)
    await bus.jetstream().purge_stream(subjects.STREAM)
    with suppress(ServiceError):  # the run is in the way
        await commands.start(b"")
    assert store["main"].seq == 0
    await Keeper(connection, store)._look(looking(2))
    assert [event["type"] for event in await history(bus)] == ["started"]


async def test_an_event_is_stored_again_though_the_first_try_fails(
    connection: Bus, serve_coordinator: Serve, bus: Client
) -> None:
    store, _ = await scheduled(connection, serve_coordinator)
    await bus.jetstream().purge_stream(subjects.STREAM)
    append, failures = store.append, [BusTimeout("no answer")]

    async def fail_first(event: Event, expected: Countdown) -> None:
        if failures:
            raise failures.pop()
        await append(event, expected)

    store.append = fail_first  # type: ignore[method-assign]
    keeper = Keeper(connection, store)
    with suppress(BusTimeout):
        await keeper._look(looking(2))
    keeper._looks_at = 0.0
    await keeper._look(looking(2))
    assert [event["type"] for event in await history(bus)] == ["started"]
    await keeper._look(looking(3))  # once is enough
    assert len(await history(bus)) == 1


async def test_what_was_removed_takes_no_room_back_however_late_it_is_delivered(
    connection: Bus, serve_coordinator: Serve, bus: Client
) -> None:
    store, commands = await scheduled(connection, serve_coordinator)
    old = events.encode(store["main"].last) if store["main"].last else b""
    await commands.adjust(b'{"seconds": 5}')
    await bus.jetstream().purge_stream(subjects.STREAM)
    await store.refresh("main")
    last = store["main"].last
    store.fold(Entry(1, subjects.events("main"), old, 0))
    assert (store["main"].last, store["main"].seq) == (last, 0)
