"""The system under attack: nats-server as it is deployed, and our services, as processes."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import nats
from nats.aio.client import Client

from .processes import Process, free_port
from .servers import CONFIG, Server, servers

READY_SECONDS = 30.0
USERS = ("scheduler", "coordinator", "frontend", "operator")
"""The users of nats.conf that have a password: here, their own names."""


@dataclass
class Service:
    """One replica of a service: its process and where it listens."""

    process: Process
    host: str
    port: int

    def url(self, path: str = "/readyz") -> str:
        return f"http://{self.host}:{self.port}{path}"


@dataclass
class Stack:
    """What runs; every part can be reached by its name, `scheduler-1` for instance."""

    folder: Path
    http: aiohttp.ClientSession
    servers: Sequence[Server]
    env: Mapping[str, str] = field(default_factory=dict)
    """What every service is told besides."""
    services: dict[str, Service] = field(default_factory=dict)

    @property
    def nats(self) -> Process:
        """The only server of the bus, or the first of a cluster."""
        return self.servers[0].process

    @property
    def store(self) -> Path:
        return self.servers[0].store

    @property
    def bus_port(self) -> int:
        return self.servers[0].port

    @property
    def bus_urls(self) -> list[str]:
        """Where clients of the bus connect: to any of these."""
        return [server.url for server in self.servers]

    @property
    def coordinators(self) -> list[Service]:
        return [one for name, one in self.services.items() if name.startswith("coordinator")]

    @property
    def addresses(self) -> list[str]:
        """Where viewers connect, one address after the other."""
        return [one.url("") for one in self.coordinators]

    @property
    def schedulers(self) -> list[Service]:
        return [one for name, one in self.services.items() if name.startswith("scheduler")]

    async def add(
        self, name: str, *, command: list[str] | None = None, host: str = "127.0.0.1", **env: str
    ) -> Service:
        """Start a service; its kind is its name without the number."""
        kind = name.rpartition("-")[0]
        port = free_port()
        environment = _environment() | {
            "NATS_URL": ",".join(self.bus_urls),
            "NATS_USER": kind,
            "NATS_PASSWORD": kind,
            "HOST": host,
            "PORT": str(port),
            "INSTANCE": name,
            "LOG_FORMAT": "json",
            **self.env,
            **env,
        }
        command = command or [sys.executable, "-m", kind]
        service = Service(Process(name, command, environment, self.folder), host, port)
        self.services[name] = service
        await service.process.start()
        return service

    async def start_nats(self) -> None:
        """Start every server of the bus that does not run and wait until it takes connections."""
        for server in self.servers:
            if not server.process.is_running:
                await server.start()

    async def wipe(self) -> None:
        """Throw the bus's data away; only while it is down."""
        for server in self.servers:
            await server.wipe()

    async def ready(self, *services: Service, seconds: float = READY_SECONDS) -> float:
        """Wait until the services, or all of them, can do their job; gives the seconds it took."""
        begun = time.monotonic()
        for service in services or tuple(self.services.values()):
            while (reason := await self.why_not_ready(service)) is not None:
                if time.monotonic() - begun > seconds or service.process.status is not None:
                    name, log = service.process.name, service.process.log()
                    raise RuntimeError(f"{name} is not ready: {reason}\n{log[-3000:]}")
                await asyncio.sleep(0.02)
        return time.monotonic() - begun

    async def why_not_ready(self, service: Service) -> str | None:
        try:
            limit = aiohttp.ClientTimeout(total=2)
            async with self.http.get(service.url(), timeout=limit) as answer:
                return None if answer.status == 200 else await answer.text()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return str(error) or type(error).__name__

    async def metric(self, service: Service, name: str) -> float:
        """The sum of a metric over its labels; 0 where it has never been counted."""
        async with self.http.get(service.url("/metrics")) as answer:
            lines = (await answer.text()).splitlines()
        return sum(
            float(line.rpartition(" ")[2])
            for line in lines
            if line.startswith((f"{name} ", f"{name}{{"))
        )

    @asynccontextmanager
    async def client(
        self, user: str | None = None, server: Server | None = None
    ) -> AsyncIterator[Client]:
        """A connection of our own to the bus, as one of the people or as a service.

        Where no `server` is given, to any.
        """
        client = await nats.connect(
            self.bus_urls if server is None else server.url,
            user=user,
            password=user,
            inbox_prefix=f"_INBOX_{user}" if user else "_INBOX",
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.1,
            error_cb=_nothing,
        )
        try:
            yield client
        finally:
            await client.close()

    def exits(self) -> list[str]:
        """The services that have ended, though nobody told them to."""
        return [
            f"{name} ended with status {one.process.status}"
            for name, one in self.services.items()
            if one.process.status is not None and not one.process.was_told_to_end
        ]


async def _nothing(_: Exception) -> None:
    """What the bus does is what is watched here; its client need not tell."""


def _environment() -> dict[str, str]:
    # What this terminal happens to have set must not change what is tried.
    passwords = {f"{name.upper()}_PASSWORD": f'"{name}"' for name in USERS}
    return {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **passwords}


@asynccontextmanager
async def running(
    folder: Path,
    *,
    bus: int = 1,
    schedulers: int = 2,
    coordinators: int = 2,
    frontends: int = 0,
    store: Path | None = None,
    config: Path = CONFIG,
    env: Mapping[str, str] | None = None,
) -> AsyncIterator[Stack]:
    """A stack that is ready, and gone without a trace afterwards.

    `bus` is of how many servers, `env` what every service is told besides.
    """
    folder.mkdir(parents=True, exist_ok=True)
    async with AsyncExitStack() as leaving:
        http = await leaving.enter_async_context(
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        )
        stack = Stack(folder, http, servers(folder, _environment(), bus, store, config), env or {})
        leaving.push_async_callback(discard, stack)
        await stack.start_nats()
        counts = {"scheduler": schedulers, "coordinator": coordinators, "frontend": frontends}
        for kind, count in counts.items():
            for number in range(1, count + 1):
                await stack.add(f"{kind}-{number}")
        await stack.ready()
        yield stack


async def discard(stack: Stack) -> None:
    """End every process of the stack."""
    for service in stack.services.values():
        await service.process.discard()
    for server in stack.servers:
        await server.process.discard()
