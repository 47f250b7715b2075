"""A service served in the test's own process: starting it, its readiness, its metrics."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

import aiohttp
from aiohttp.test_utils import TestServer

from .process import AsyncProcess
from .waiting import WAIT_SECONDS, until

Serve = Callable[..., Awaitable[TestServer]]
PageOf = Callable[..., Awaitable[TestServer]]
"""Starts a frontend whose page names these coordinators."""
Serving = Callable[..., AbstractAsyncContextManager[AsyncProcess]]
"""Runs a service as a process: its name, a program of its own if need be, and settings."""


async def until_ready(server: TestServer, status: int = 200, seconds: float = WAIT_SECONDS) -> None:
    """Wait until `/readyz` answers with the status."""
    async with aiohttp.ClientSession() as session:

        async def is_ready() -> bool:
            async with session.get(server.make_url("/readyz")) as response:
                return response.status == status

        await until(is_ready, seconds)


async def metric(server: TestServer, name: str) -> float:
    """A value of `/metrics`; the name includes the labels as they are written there."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(server.make_url("/metrics")) as response,
    ):
        for line in (await response.text()).splitlines():
            if line.startswith(name + " "):
                return float(line.rpartition(" ")[2])
    return 0.0
