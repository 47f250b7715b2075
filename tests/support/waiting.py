"""Waiting for a condition instead of sleeping."""

import asyncio
from collections.abc import Awaitable, Callable

WAIT_SECONDS = 10.0
LOOK_SECONDS = 0.01


async def until(is_so: Callable[[], Awaitable[bool]], seconds: float = WAIT_SECONDS) -> None:
    """Check a condition repeatedly until it is met; raises TimeoutError if it never is."""
    async with asyncio.timeout(seconds):
        while not await is_so():
            await asyncio.sleep(LOOK_SECONDS)
