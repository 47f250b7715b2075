"""Permits for appends: who gets the next one, and that none is lost."""

import asyncio

from scheduler.permits import Permits


async def test_the_lowest_rank_goes_first_and_of_equals_the_one_that_came_first() -> None:
    permits = Permits(1)
    went: list[str] = []

    async def go(rank: int, name: str) -> None:
        await permits.take(rank)
        went.append(name)
        await asyncio.sleep(0)
        permits.give_back()

    async with asyncio.TaskGroup() as group:
        for rank, name in [(5, "late"), (3, "b"), (1, "a"), (3, "c")]:
            group.create_task(go(rank, name))
    assert went == ["a", "b", "c", "late"]


async def test_no_more_go_at_once_than_there_are_permits() -> None:
    permits, going, most = Permits(3), 0, 0

    async def go() -> None:
        nonlocal going, most
        await permits.take(0)
        going += 1
        most = max(most, going)
        await asyncio.sleep(0)
        going -= 1
        permits.give_back()

    async with asyncio.TaskGroup() as group:
        for _ in range(20):
            group.create_task(go())
    assert most == 3


async def test_who_is_cancelled_takes_no_permit_with_it() -> None:
    permits = Permits(1)
    await permits.take(0)
    waits, is_given = (asyncio.create_task(permits.take(rank)) for rank in (1, 0))
    await asyncio.sleep(0)
    waits.cancel()
    permits.give_back()
    await asyncio.sleep(0)  # it is given the permit
    is_given.cancel()  # before it can run
    results = await asyncio.gather(waits, is_given, return_exceptions=True)
    assert [type(result) for result in results] == [asyncio.CancelledError] * 2
    await asyncio.wait_for(permits.take(0), 1)
