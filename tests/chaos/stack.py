"""The system under test: nats-server as it is deployed, and our services, as processes."""

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

from support.nats_server import CONFIG, PASSWORDS, AsyncNatsServer, cluster
from support.ports import free_port
from support.process import AsyncProcess
from support.routes import Routes

READY_SECONDS = 30.0


@dataclass
class Service:
    """One replica of a service: its process and where it listens."""

    process: AsyncProcess
    host: str
    port: int

    def url(self, path: str = "/readyz") -> str:
        return f"http://{self.host}:{self.port}{path}"


@dataclass
class Stack:
    """All that runs; a service is found by its name, `scheduler-1` for instance."""

    folder: Path
    http: aiohttp.ClientSession
    servers: Sequence[AsyncNatsServer]
    env: Mapping[str, str] = field(default_factory=dict)
    """Additional environment of every service."""
    services: dict[str, Service] = field(default_factory=dict)
    auditor: Service | None = None
    """It only watches: no scenario disturbs it, and its clock is that of the bus. None if it can't
    be reached."""
    network: Routes = field(default_factory=lambda: Routes([]))
    """Between the servers of a cluster, if it can be cut."""

    @property
    def nats(self) -> AsyncNatsServer:
        """The only server of the bus, or the first of a cluster."""
        return self.servers[0]

    @property
    def store(self) -> Path:
        return self.nats.store

    @property
    def bus_port(self) -> int:
        return self.nats.port

    @property
    def bus_urls(self) -> list[str]:
        """The addresses of the bus; a client connects to any of them."""
        return [server.url for server in self.servers]

    @property
    def coordinators(self) -> list[Service]:
        return [one for name, one in self.services.items() if name.startswith("coordinator")]

    @property
    def addresses(self) -> list[str]:
        """The addresses that viewers connect to, in turn."""
        return [one.url("") for one in self.coordinators]

    @property
    def schedulers(self) -> list[Service]:
        return [one for name, one in self.services.items() if name.startswith("scheduler")]

    async def add(
        self, name: str, *, command: list[str] | None = None, host: str = "127.0.0.1", **env: str
    ) -> Service:
        """Start a service; its kind is its name without the number."""
        service = await self._start(name, command, host, env)
        self.services[name] = service
        return service

    async def audit(self, skew_ms: float) -> None:
        """Start the auditor; no tick may be stored more than `skew_ms` before it is due."""
        env = {"MAX_SKEW_MS": str(skew_ms)}
        self.auditor = await self._start("auditor-1", None, "127.0.0.1", env)

    async def _start(
        self, name: str, command: list[str] | None, host: str, env: Mapping[str, str]
    ) -> Service:
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
        service = Service(AsyncProcess(name, command, environment, self.folder), host, port)
        await service.process.start()
        return service

    async def start_nats(self) -> None:
        """Start every server of the bus that is down and wait until it accepts connections."""
        for server in self.servers:
            if not server.is_running:
                await server.start()

    async def wipe(self) -> None:
        """Delete the bus's data; only while it is down."""
        for server in self.servers:
            await asyncio.to_thread(server.wipe)

    async def ready(self, *services: Service, seconds: float = READY_SECONDS) -> float:
        """Wait until the services, or all and the auditor, are ready; gives the seconds it took."""
        begun = time.monotonic()
        watching = [self.auditor] if self.auditor is not None else []
        for service in services or (*self.services.values(), *watching):
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
        """The sum of a metric over its labels; 0 if it was never counted."""
        async with self.http.get(service.url("/metrics")) as answer:
            lines = (await answer.text()).splitlines()
        return sum(
            float(line.rpartition(" ")[2])
            for line in lines
            if line.startswith((f"{name} ", f"{name}{{"))
        )

    @asynccontextmanager
    async def client(
        self, user: str | None = None, server: AsyncNatsServer | None = None
    ) -> AsyncIterator[Client]:
        """A connection to the bus, as a person or as a service; to any server if none is given."""
        client = await nats.connect(
            self.bus_urls if server is None else server.url,
            user=user,
            password=user,
            inbox_prefix=f"_INBOX_{user}" if user else "_INBOX",
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.1,
            error_cb=_ignore,
        )
        try:
            yield client
        finally:
            await client.close()

    def exits(self) -> list[str]:
        """The services that have ended without being stopped."""
        return [
            f"{name} ended with status {one.process.status}"
            for name, one in self.services.items()
            if one.process.status is not None and not one.process.was_told_to_end
        ]


async def _ignore(_: Exception) -> None:
    """The suite breaks the bus on purpose, so its client need not report that."""


def _environment() -> dict[str, str]:
    # The developer's environment must not change what is tested.
    return {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **PASSWORDS}


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
    network: Routes | None = None,
    skew_ms: float = 1.0,
) -> AsyncIterator[Stack]:
    """A stack that is ready, and removed without a trace afterwards.

    `bus` is the number of NATS servers, which reach one another over `network` if it is given;
    `env` is an additional environment of every service. No scheduler's clock is ahead of the bus's
    by more than `skew_ms`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    async with AsyncExitStack() as leaving:
        http = await leaving.enter_async_context(
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        )
        stack = Stack(folder, http, _servers(folder, bus, store, config, network), env or {})
        if network is not None:
            stack.network = network
            await leaving.enter_async_context(network.relaying())
        leaving.push_async_callback(discard, stack)
        await stack.start_nats()
        counts = {"scheduler": schedulers, "coordinator": coordinators, "frontend": frontends}
        for kind, count in counts.items():
            for number in range(1, count + 1):
                await stack.add(f"{kind}-{number}")
        await stack.audit(skew_ms)
        if schedulers or coordinators:  # else nobody has made the stream yet
            await stack.ready()
        yield stack


async def discard(stack: Stack) -> None:
    """End every process of the stack."""
    for service in (*stack.services.values(), *([stack.auditor] if stack.auditor else [])):
        await service.process.discard()
    for server in stack.servers:
        await server.discard()


def _servers(
    folder: Path, count: int, store: Path | None, config: Path, network: Routes | None
) -> Sequence[AsyncNatsServer]:
    """One server alone, or several as in deploy/cluster.yml."""
    env = _environment()
    if count == 1:
        return [AsyncNatsServer(folder, store=store, config=config, env=env)]
    return cluster(
        AsyncNatsServer,
        folder,
        count=count,
        store=store,
        config=config,
        env=env,
        network=network,
    )
