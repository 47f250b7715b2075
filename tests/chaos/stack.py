"""The system under attack: nats-server as it is deployed, and our services, as processes."""

import asyncio
import os
import shutil
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import nats
from nats.aio.client import Client

from .processes import Process, free_port

ROOT = Path(__file__).parent.parent.parent
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
    store: Path
    bus_port: int = field(default_factory=free_port)
    services: dict[str, Service] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.nats = Process("nats", self._nats_command(), self._environment(), self.folder)

    @property
    def bus_url(self) -> str:
        return f"nats://127.0.0.1:{self.bus_port}"

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

    def _nats_command(self) -> list[str]:
        return [
            str(Path(sys.executable).parent / "nats-server"),
            *("--config", str(ROOT / "deploy" / "nats.conf")),
            *("--addr", "127.0.0.1", "--port", str(self.bus_port)),
            *("--store_dir", str(self.store)),
        ]

    def _environment(self) -> dict[str, str]:
        # What this terminal happens to have set must not change what is tried.
        passwords = {f"{name.upper()}_PASSWORD": f'"{name}"' for name in USERS}
        return {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **passwords}

    async def add(
        self, name: str, *, command: list[str] | None = None, host: str = "127.0.0.1", **env: str
    ) -> Service:
        """Start a service; its kind is its name without the number."""
        kind = name.rpartition("-")[0]
        port = free_port()
        environment = self._environment() | {
            "NATS_URL": self.bus_url,
            "NATS_USER": kind,
            "NATS_PASSWORD": kind,
            "HOST": host,
            "PORT": str(port),
            "INSTANCE": name,
            "LOG_FORMAT": "json",
            **env,
        }
        command = command or [sys.executable, "-m", kind]
        service = Service(Process(name, command, environment, self.folder), host, port)
        self.services[name] = service
        await service.process.start()
        return service

    async def start_nats(self) -> None:
        """Start the bus and wait until it takes connections."""
        await self.nats.start()
        deadline = time.monotonic() + READY_SECONDS
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.bus_port)
            except OSError:
                if time.monotonic() > deadline or self.nats.status is not None:
                    raise RuntimeError(f"nats-server did not start:\n{self.nats.log()}") from None
                await asyncio.sleep(0.01)
            else:
                writer.close()
                return

    async def wipe(self) -> None:
        """Throw the bus's data away; only while it is down."""
        await asyncio.to_thread(shutil.rmtree, self.store, ignore_errors=True)

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
    async def client(self, user: str | None = None) -> AsyncIterator[Client]:
        """A connection of our own to the bus, as one of the people or as a service."""
        client = await nats.connect(
            self.bus_url,
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


@asynccontextmanager
async def running(
    folder: Path,
    *,
    schedulers: int = 2,
    coordinators: int = 2,
    frontends: int = 0,
    store: Path | None = None,
) -> AsyncIterator[Stack]:
    """A stack that is ready, and gone without a trace afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    async with AsyncExitStack() as leaving:
        http = await leaving.enter_async_context(
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        )
        stack = Stack(folder, http, store or folder / "stream")
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
    await stack.nats.discard()
