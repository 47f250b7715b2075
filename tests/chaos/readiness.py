"""Watching that services stay ready throughout a fault."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from .outcome import Outcome
from .stack import Stack

LOOK_SECONDS = 0.1


@asynccontextmanager
async def staying_ready(stack: Stack, outcome: Outcome) -> AsyncIterator[None]:
    """Require that every service answers each readiness check."""

    async def look() -> None:
        while True:
            for name, service in stack.services.items():
                reason = await stack.why_not_ready(service)
                outcome.require(reason is None, f"{name} was not ready: {reason}")
            await asyncio.sleep(LOOK_SECONDS)

    looking = asyncio.create_task(look())
    try:
        yield
    finally:
        looking.cancel()
        await asyncio.wait([looking])
        for name, service in stack.services.items():
            reason = await stack.why_not_ready(service)
            outcome.require(reason is None, f"{name} is not ready afterwards: {reason}")
