"""Loops beside a service: how they end."""

import asyncio
from typing import Never

import pytest

from runtime.background import background


class Loops:
    """Loops that take two turns to end, and what became of them."""

    def __init__(self) -> None:
        self.told: list[str] = []

    async def loop(self, name: str) -> Never:
        try:
            while True:
                await asyncio.sleep(60)
        finally:
            self.told.append(f"{name} is told")
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            self.told.append(f"{name} has ended")


async def failing() -> Never:
    await asyncio.sleep(0)
    raise ZeroDivisionError


async def test_the_last_loop_ends_before_the_one_before_it_is_told() -> None:
    loops = Loops()
    async with background(loops.loop("first"), loops.loop("second")):
        await asyncio.sleep(0)
    assert loops.told == [
        "second is told",
        "second has ended",
        "first is told",
        "first has ended",
    ]


async def test_a_loop_that_fails_ends_all_the_others_and_the_service() -> None:
    loops = Loops()
    with pytest.RaisesGroup(ZeroDivisionError):
        async with background(loops.loop("first"), failing(), loops.loop("last")):
            await asyncio.sleep(60)
    assert set(loops.told[:2]) == {"first is told", "last is told"}
    assert set(loops.told[2:]) == {"first has ended", "last has ended"}
