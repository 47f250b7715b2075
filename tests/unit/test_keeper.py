"""How much of a scheduler's time goes into looking for what was removed."""

import asyncio
from collections.abc import Mapping
from itertools import count

from bus.connection import Bus
from bus.removals import Kept, Removals
from scheduler.event_store import EventStore
from scheduler.keeper import REST, Keeper
from scheduler.load import Load
from scheduler.settings import Settings

LOOK_SECONDS = 0.02
LOOKS = 4


class Endless(Removals):
    """Something is removed all the time, and a look takes as long as with a thousand runs."""

    def __init__(self, bus: Bus) -> None:
        super().__init__(bus)
        self._numbers = count(1)
        self.looks: list[float] = []
        self.is_enough = asyncio.Event()

    async def next_state(self) -> Kept:
        await asyncio.sleep(0)
        return Kept(created="", first_seq=next(self._numbers), gaps=0, max_age_seconds=0)

    async def missing(self, rooms: Mapping[str, int]) -> list[str]:
        self.looks.append(asyncio.get_running_loop().time())
        await asyncio.sleep(LOOK_SECONDS)
        if len(self.looks) == LOOKS:
            self.is_enough.set()
        return []


class Unchanged(Endless):
    """Nothing is ever removed, and a look takes no time."""

    def __init__(self, bus: Bus) -> None:
        super().__init__(bus)
        self.states = 0

    async def next_state(self) -> Kept:
        await asyncio.sleep(0)
        self.states += 1
        if self.states == 3 * LOOKS:
            self.is_enough.set()
        return Kept(created="", first_seq=1, gaps=0, max_age_seconds=0)

    async def missing(self, rooms: Mapping[str, int]) -> list[str]:
        self.looks.append(0)
        return []


async def test_while_nothing_is_removed_nothing_is_looked_for() -> None:
    bus = Bus(Settings(), "scheduler")
    keeper = Keeper(bus, EventStore(bus, Load(100, 1000)))
    keeper._removals = removals = Unchanged(bus)
    task = asyncio.create_task(keeper.run(ready=lambda: asyncio.sleep(0)))
    try:
        await asyncio.wait_for(removals.is_enough.wait(), 10)
    finally:
        task.cancel()
    assert len(removals.looks) == 1


async def test_before_each_look_the_stream_is_followed() -> None:
    """Else what a backup did not hold would count as removed, and be stored again."""
    bus = Bus(Settings(), "scheduler")
    keeper = Keeper(bus, EventStore(bus, Load(100, 1000)))
    keeper._removals = removals = Endless(bus)
    followed: list[int] = []

    async def ready() -> None:
        followed.append(len(removals.looks))

    task = asyncio.create_task(keeper.run(ready))
    try:
        await asyncio.wait_for(removals.is_enough.wait(), 10)
    finally:
        task.cancel()
    assert {*range(LOOKS)} <= {*followed}


async def test_however_long_a_look_takes_a_tenth_of_the_time_goes_into_looking() -> None:
    bus = Bus(Settings(), "scheduler")
    keeper = Keeper(bus, EventStore(bus, Load(100, 1000)))
    keeper._removals = removals = Endless(bus)
    task = asyncio.create_task(keeper.run(ready=lambda: asyncio.sleep(0)))
    try:
        await asyncio.wait_for(removals.is_enough.wait(), 10)
    finally:
        task.cancel()
    took = removals.looks[-1] - removals.looks[0]
    assert took >= (LOOKS - 1) * (REST + 1) * LOOK_SECONDS * 0.9
