"""A coordinator with workers, and what its parent reports of them."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from yarl import URL

from .probe import asked
from .process import AsyncProcess
from .viewer import Viewer
from .waiting import WAIT_SECONDS, until

READY_SECONDS = 60.0
ROUND_TRIP_SECONDS = 0.03
ASKERS = 10


class Workers:
    """The parent as a process, and its ports."""

    def __init__(self, process: AsyncProcess, port: int, metrics_port: int) -> None:
        self.process = process
        self.port = port
        self.metrics_port = metrics_port

    async def metrics(self) -> dict[str, float]:
        """Every sample of all of them, by its name and labels as they are written there; none while
        the parent does not answer."""
        _, text = await asked(self.metrics_port, "/metrics")
        lines = text.splitlines()
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
            return (await self.metrics()).get("tminus_workers_ready") == count

        await until(is_so, READY_SECONDS)

    async def is_replaced(self, pid: int) -> None:
        """Wait until this worker has ended."""

        async def is_so() -> bool:
            return pid not in self.process.children()

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


async def ask(port: int, pause: float = 0.0) -> str:
    """The first line of the answer to a request that comes `pause` seconds after its connection."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            await asyncio.sleep(pause)
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            line = await asyncio.wait_for(reader.readline(), WAIT_SECONDS)
            return line.decode().strip() or "closed"
        finally:
            writer.close()
    except OSError as error:
        return type(error).__name__


@asynccontextmanager
async def asking(port: int) -> AsyncIterator[Counter[str]]:
    """Ask again and again, a few hundred times a second; gives how often each answer came."""
    answers: Counter[str] = Counter()
    is_over = asyncio.Event()

    async def keep_asking() -> None:
        while not is_over.is_set():
            answers[await ask(port, ROUND_TRIP_SECONDS)] += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(ASKERS):
            group.create_task(keep_asking())
        try:
            yield answers
        finally:
            is_over.set()
