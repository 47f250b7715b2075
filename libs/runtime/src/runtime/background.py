"""Loops that run beside a service, and take it down when they die."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Never

CANCEL_AGAIN_SECONDS = 4.0
"""Longer than any loop takes to end cleanly."""


@asynccontextmanager
async def background(*loops: Coroutine[Any, Any, Never]) -> AsyncIterator[None]:
    """Run `loops` until the context is left; then end them one by one, the last one first.

    So a loop may rely on those before it until it has ended.

    A loop that raises cancels the task that entered the context: in a service that is the one that
    `web.run_app` waits for, so cleanup runs, the traceback shows and the process exits with 1.
    """
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(loop) for loop in loops]
        try:
            yield
        finally:
            await _end(tasks)


async def _end(tasks: list[asyncio.Task[Never]]) -> None:
    for task in reversed(tasks):
        # If one has failed, the group has cancelled the others already; a second cancellation would
        # interrupt their cleanup.
        if not task.cancelling():
            task.cancel()
        # But once is not always enough: before Python 3.12 `asyncio.wait_for`, which nats-py uses,
        # loses a cancellation that arrives in the same turn as its result.
        while not task.done():
            await asyncio.wait([task], timeout=CANCEL_AGAIN_SECONDS)
            task.cancel()
