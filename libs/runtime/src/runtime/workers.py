"""The parent of several processes of a service that share its port: it starts, watches and
replaces them.

They inherit the same listening sockets, which the parent never closes, so no connection is lost
when one of them ends: another accepts it. Each is asked every second whether it is alive. SIGTERM
and SIGINT end all; SIGHUP replaces them by as many new ones, once those are ready.
"""

import asyncio
import signal
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import count
from typing import Final, Never

import aiohttp
from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge

from . import health, metrics
from .logs import logger
from .merged_metrics import merged
from .settings import PublicSettings
from .worker import Worker

log = logger(__name__)

ASK_SECONDS: Final = 1.0
"""The pause before a worker is asked again whether it is alive and ready."""
STARTING_ASK_SECONDS: Final = 0.1
"""The same while it is not ready."""
SILENT_SECONDS: Final = 10.0
"""A worker that has not answered for so long hangs, and is killed. An answer takes several turns of
its loop, and each a second where its core is overloaded: killing it would bring the others its
viewers, too."""
SILENT_SECONDS_AT_START: Final = 60.0
"""The same before its first answer: it is still being loaded."""
METRICS_SECONDS: Final = 1.0
"""How long a worker may take for its metrics; then they are left out."""
PAUSES_SECONDS: Final = (0.1, 5.0)
"""The pause before a worker is started again: the first, and the longest if it never gets ready."""
REPLACE_SECONDS: Final = 30.0
"""How long a new worker may take until it is ready; else the old ones stay."""
STOP_SECONDS: Final = 12.0
"""How long a worker may take to end; then it is killed."""

# Not the registry of the service's own metrics, of which the parent has only zeros.
_metrics = CollectorRegistry()
_wanted = Gauge("tminus_workers", "Processes that should share the port.", registry=_metrics)
_ready = Gauge("tminus_workers_ready", "Those of them that are ready.", registry=_metrics)
_failed = metrics.from_zero(
    Counter("tminus_workers_failed_total", "Workers started again.", ["reason"], registry=_metrics),
    "ended",
    "hung",
)


class Place:
    """A place for a worker: it is filled again whenever the worker in it fails."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.port = 0
        """Where its worker answers its parent."""
        self.is_ready = asyncio.Event()
        self.task: asyncio.Task[Never] | None = None

    def leave(self) -> None:
        """End its worker, and start no other."""
        # A second cancellation would interrupt the wait for the worker's end.
        if self.task is not None and not self.task.cancelling():
            self.task.cancel()


class Parent:
    """Keeps `settings.workers` processes at the sockets."""

    def __init__(self, settings: PublicSettings, sockets: Sequence[socket.socket]) -> None:
        self._settings = settings
        self._sockets = sockets
        self._places: list[Place] = []
        self._http: aiohttp.ClientSession

    async def run(self) -> None:
        """Until SIGTERM or SIGINT, and until the workers have ended then."""
        signals: asyncio.Queue[int] = asyncio.Queue()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, signals.put_nowait, number)
        _wanted.set(self._settings.workers)
        _ready.set_function(lambda: sum(place.is_ready.is_set() for place in self._places))
        async with self._answering(), asyncio.TaskGroup() as group:
            for _ in range(self._settings.workers):
                self._fill(group)
            replacing = None
            while await signals.get() == signal.SIGHUP:
                if replacing is None or replacing.done():
                    replacing = group.create_task(self._replace(group))
            if replacing is not None:
                replacing.cancel()
            for place in self._places:
                place.leave()

    @asynccontextmanager
    async def _answering(self) -> AsyncIterator[None]:
        """Have a client for the workers' answers, and serve the metrics of all."""
        operators = web.Application()
        operators[health.CHECKS] = [self._check]
        operators.add_routes(health.endpoints(self._metrics))
        host, port = self._settings.host, self._settings.metrics_port
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as self._http,
            metrics.serving(operators, lambda runner: web.TCPSite(runner, host, port)),
        ):
            yield

    def _check(self) -> str | None:
        is_ready = any(place.is_ready.is_set() for place in self._places)
        return None if is_ready else "no worker is ready"

    async def _metrics(self, _: web.Request) -> web.Response:
        places = [place for place in self._places if place.port]
        answers = await asyncio.gather(
            *(self._ask(place, "/metrics", METRICS_SECONDS) for place in places)
        )
        texts = {place.number: text for place, (_, text) in zip(places, answers, strict=True)}
        return metrics.response(merged(_metrics, texts))

    async def _ask(self, place: Place, path: str, seconds: float) -> tuple[int, str]:
        """The worker's answer within so many seconds, status and text; 0 if there is none."""
        url, timeout = f"http://127.0.0.1:{place.port}{path}", aiohttp.ClientTimeout(total=seconds)
        with suppress(aiohttp.ClientError, TimeoutError, OSError):
            async with self._http.get(url, timeout=timeout) as answer:
                return answer.status, await answer.text()
        return 0, ""

    async def _replace(self, group: asyncio.TaskGroup) -> None:
        """Start new workers one by one; once all are ready, end the old ones together.

        So the viewers of the old ones come back to new ones, and to all of them alike.
        """
        log.info("replacing the workers")
        old, new = [*self._places], list[Place]()
        with suppress(TimeoutError):
            for _ in range(self._settings.workers):
                new.append(self._fill(group))
                async with asyncio.timeout(REPLACE_SECONDS):
                    await new[-1].is_ready.wait()
        are_ready = len(new) == self._settings.workers and new[-1].is_ready.is_set()
        if not are_ready:
            log.error("a new worker does not get ready, so the old ones stay")
        leaving = old if are_ready else new
        for place in leaving:
            place.leave()
        await asyncio.wait([place.task for place in leaving if place.task is not None])
        self._places = [place for place in self._places if place not in leaving]
        log.info("replaced the workers" if are_ready else "kept the workers")

    def _fill(self, group: asyncio.TaskGroup) -> Place:
        taken = {place.number for place in self._places}
        place = Place(next(number for number in count(1) if number not in taken))
        self._places.append(place)
        place.task = group.create_task(self._keep(place))
        return place

    async def _keep(self, place: Place) -> Never:
        shortest, longest = PAUSES_SECONDS
        pause = shortest
        while True:
            async with self._started(place) as process:
                reason = await self._failure(place, process)
            pause = shortest if place.is_ready.is_set() else min(2 * pause, longest)
            place.is_ready.clear()
            _failed.labels(reason).inc()
            log.error("a worker failed", worker=place.number, reason=reason, again_in=pause)
            await asyncio.sleep(pause)

    @asynccontextmanager
    async def _started(self, place: Place) -> AsyncIterator[asyncio.subprocess.Process]:
        with socket.create_server(("127.0.0.1", 0)) as parents:
            place.port = parents.getsockname()[1]
            listeners = [listener.fileno() for listener in self._sockets]
            worker = Worker(number=place.number, parents=parents.fileno(), listeners=listeners)
            # A new interpreter, so that a worker that replaces another runs the code as it is now.
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, *sys.orig_argv[1:]),
                env=worker.environment(self._settings.instance),
                pass_fds=[worker.parents, *listeners],
                stdin=asyncio.subprocess.PIPE,
            )
            try:
                yield process
            finally:
                place.port = 0
                await _end(process)

    async def _failure(self, place: Place, process: asyncio.subprocess.Process) -> str:
        """Wait until the worker has ended, or hangs; which it is."""
        loop = asyncio.get_running_loop()
        answered_at, patience = loop.time(), SILENT_SECONDS_AT_START
        ended = asyncio.create_task(process.wait())
        try:
            while loop.time() < answered_at + patience:
                pause = ASK_SECONDS if place.is_ready.is_set() else STARTING_ASK_SECONDS
                await asyncio.wait([ended], timeout=pause)
                asked = asyncio.create_task(self._ask(place, "/readyz", patience))
                try:
                    await asyncio.wait([ended, asked], return_when=asyncio.FIRST_COMPLETED)
                finally:
                    asked.cancel()
                if ended.done():
                    return "ended"
                status, _ = asked.result()
                if status:
                    answered_at, patience = loop.time(), SILENT_SECONDS
                if status == 200:
                    place.is_ready.set()
                elif status:
                    place.is_ready.clear()
            process.kill()
            return "hung"
        finally:
            ended.cancel()


async def _end(process: asyncio.subprocess.Process) -> None:
    """Let the worker stop in its time, unless it has ended already."""
    with suppress(ProcessLookupError):
        process.terminate()
    with suppress(TimeoutError):
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
            return
    process.kill()
    await process.wait()
