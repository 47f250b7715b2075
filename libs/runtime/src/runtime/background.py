"""Loops that run beside a service, and take it down when they die."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Never


@asynccontextmanager
async def background(*loops: Coroutine[Any, Any, Never]) -> AsyncIterator[None]:
    """Run `loops` until the context is left.

    A loop that raises cancels the task that entered the context: in a service that is the one that
    `web.run_app` waits for, so cleanup runs, the traceback shows and the process exits with 1.
    """
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(loop) for loop in loops]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
