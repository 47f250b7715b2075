"""A coordinator with workers, and what its parent tells of them."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from yarl import URL

from .process import AsyncProcess
from .viewer import Viewer
from .waiting import until

READY_SECONDS = 60.0


class Workers:
    """The parent as a process, and its ports."""

    def __init__(self, process: AsyncProcess, port: int, metrics_port: int) -> None:
        self.process = process
        self.port = port
        self.metrics_port = metrics_port

    async def metrics(self) -> dict[str, float]:
        """Every sample of all of them, by its name and labels as they are written there."""
        url = f"http://127.0.0.1:{self.metrics_port}/metrics"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            lines = (await answer.text()).splitlines()
        found = [line.rpartition(" ") for line in lines if not line.startswith("#")]
        assert len(found) == len({name for name, _, _ in found}), "a sample is there twice"
        return {name: float(value) for name, _, value in found}

    async def by_worker(self, name: str) -> dict[str, float]:
        """A metric of each worker, by its number."""
        wanted = re.compile(rf'{name}{{(?:.*,)?worker="(\d+)"}}')
        return {
            found[1]: value
            for sample, value in (await self.metrics()).items()
            if (found := wanted.fullmatch(sample))
        }

    async def are_ready(self, count: int) -> None:
        """Wait until so many are."""

        async def is_so() -> bool:
            try:
                return (await self.metrics())["tminus_workers_ready"] == count
            except aiohttp.ClientConnectorError:  # the parent has only been started
                return False

        await until(is_so, READY_SECONDS)

    async def log_has(self, words: str) -> None:
        """Wait until one of them, or the parent, has logged that."""

        async def is_so() -> bool:
            return words in self.process.log()

        await until(is_so, READY_SECONDS)

    @asynccontextmanager
    async def viewer(self, **query: str) -> AsyncIterator[Viewer]:
        """Connect as a viewer."""
        url = URL(f"http://127.0.0.1:{self.port}/ws/connect").update_query(query)
        async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
            yield Viewer(socket)
