"""The services as processes on a bus, with settings of OpenTelemetry's."""

from collections.abc import Mapping
from contextlib import AsyncExitStack

import aiohttp

from .ports import free_port
from .process import AsyncProcess
from .served import Serving
from .waiting import until


class Stack:
    """Two schedulers, a coordinator and a frontend, as processes on a bus as it is deployed."""

    def __init__(
        self,
        nats_url: str,
        serving: Serving,
        settings: Mapping[str, str | int],
        program: str = "",
    ) -> None:
        self._program = program
        self.processes: dict[str, AsyncProcess] = {}
        self.ports: dict[str, int] = {}
        self._nats_url = nats_url
        self._serving = serving
        self._settings = settings

    def url(self, name: str, path: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}{path}"

    async def start(self, leaving: AsyncExitStack) -> None:
        for name in ("scheduler-1", "scheduler-2", "coordinator-1", "frontend-1"):
            port = self.ports[name] = free_port()
            settings = {"nats_url": self._nats_url, "instance": name, "port": port}
            service = name.split("-")[0]
            serving = self._serving(
                service, self._program.format(service), **self._settings, **settings
            )
            self.processes[name] = await leaving.enter_async_context(serving)
        for name in self.ports:
            await until(lambda name=name: self._is_ready(name))  # type: ignore[misc]

    async def _is_ready(self, name: str) -> bool:
        return await status(self.url(name, "/readyz")) == 200


async def post(
    url: str, fields: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
) -> int:
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=fields or {}, headers=headers, allow_redirects=False) as answer,
    ):
        return answer.status


async def status(url: str) -> int:
    """The status of the answer; 0 where nothing listens."""
    try:
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return answer.status
    except aiohttp.ClientConnectionError:
        return 0
