"""A real nats-server for each test, and our services on it, in this process."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import nats
import pytest
import uvloop
from aiohttp import web
from aiohttp.test_utils import TestServer
from nats.aio.client import Client

import auditor.app
import auditor.settings
import coordinator.app
import coordinator.settings
import frontend.app
import frontend.settings
import scheduler.app
import scheduler.settings
from bus.connection import Bus
from coordinator.connections import Connections
from coordinator.io_uring import Ring
from coordinator.room import Room
from runtime.background import background
from runtime.settings import Settings
from support.api_client import Api, calling
from support.nats_server import CONFIG, PASSWORDS, NatsServer
from support.ports import free_port
from support.process import AsyncProcess
from support.served import PageOf, Serve, Serving, until_ready
from support.skip import skip

AiohttpServer = Callable[[web.Application], Awaitable[TestServer]]
S = TypeVar("S", bound=Settings)


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The event loop that the services run on."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
def nats_server(tmp_path: Path) -> Iterator[NatsServer]:
    """A fresh nats-server."""
    server = NatsServer(tmp_path)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def deployed_nats_server(tmp_path: Path) -> Iterator[NatsServer]:
    """A fresh nats-server as it is deployed, by deploy/nats.conf; passwords are the names."""
    server = NatsServer(tmp_path, config=CONFIG, env=PASSWORDS)
    server.start()
    yield server
    server.kill()


@pytest.fixture
async def operator(deployed_nats_server: NatsServer) -> AsyncIterator[Client]:
    """Who looks after the stream there."""
    client = await nats.connect(
        deployed_nats_server.url, user="operator", password="operator", max_reconnect_attempts=-1
    )
    yield client
    await client.close()


@pytest.fixture
def ring(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ring]:
    """A ring of this kernel's, which rooms use for any number of viewers."""
    try:
        ring = Ring()
    except OSError as error:
        skip(f"there is no io_uring here: {error}")
        raise
    monkeypatch.setattr("coordinator.fanout.FEW", 0)
    yield ring
    ring.close()


@pytest.fixture
async def room(ring: Ring) -> Room:
    room = Room("main", "coordinator-1", Connections(ring))
    room.on_read()
    return room


@pytest.fixture
async def bus(nats_server: NatsServer) -> AsyncIterator[Client]:
    """A person's client of the bus, such as the `nats` program."""
    client = await nats.connect(nats_server.url, max_reconnect_attempts=-1, reconnect_time_wait=0.1)
    yield client
    await client.close()


@pytest.fixture
async def connection(nats_server: NatsServer) -> AsyncIterator[Bus]:
    """A scheduler's own connection, for a part of it that is to be alone."""
    connection = Bus(scheduler.settings.Settings(nats_url=nats_server.url), "scheduler")
    async with background(connection.run()):
        await connection.connected()
        yield connection


def serve_of(
    server: NatsServer,
    serve_app: AiohttpServer,
    create_app: Callable[[S], web.Application],
    kind: type[S],
    instance: str,
) -> Serve:
    """Starts a service on the bus; gives its server once it is ready."""

    async def serve(is_ready: bool = True, **settings: Any) -> TestServer:
        settings = {"nats_url": server.url, "instance": instance} | settings
        served = await serve_app(create_app(kind(**settings)))
        if is_ready:
            await until_ready(served)
        return served

    return serve


@pytest.fixture
async def serve_coordinator(nats_server: NatsServer, aiohttp_server: AiohttpServer) -> Serve:
    """Start a coordinator."""
    create_app, kind = coordinator.app.create_app, coordinator.settings.Settings
    return serve_of(nats_server, aiohttp_server, create_app, kind, "coordinator-1")


@pytest.fixture
async def serve_scheduler(nats_server: NatsServer, aiohttp_server: AiohttpServer) -> Serve:
    """Start a scheduler."""
    create_app, kind = scheduler.app.create_app, scheduler.settings.Settings
    return serve_of(nats_server, aiohttp_server, create_app, kind, "scheduler-1")


@pytest.fixture
async def serve_frontend(nats_server: NatsServer, aiohttp_server: AiohttpServer) -> Serve:
    """Start a frontend."""
    create_app, kind = frontend.app.create_app, frontend.settings.Settings
    return serve_of(nats_server, aiohttp_server, create_app, kind, "frontend-1")


@pytest.fixture
async def serve_auditor(nats_server: NatsServer, aiohttp_server: AiohttpServer) -> Serve:
    """Start an auditor."""
    create_app, kind = auditor.app.create_app, auditor.settings.Settings
    return serve_of(nats_server, aiohttp_server, create_app, kind, "auditor-1")


@pytest.fixture
def page_settings() -> dict[str, str]:
    """Of `page`; a file may have others."""
    return {}


@pytest.fixture
async def page(
    serve_scheduler: Serve,
    serve_coordinator: Serve,
    serve_frontend: Serve,
    page_settings: dict[str, str],
) -> TestServer:
    """A frontend, with two schedulers and a coordinator behind it."""
    await serve_scheduler()
    await serve_scheduler(instance="scheduler-2")
    await serve_coordinator()
    return await serve_frontend(**page_settings)


@pytest.fixture
async def api(page: TestServer) -> AsyncIterator[Api]:
    """Ask the JSON API; gives the status and the body's JSON."""
    async with calling(page) as api:
        yield api


@pytest.fixture
def serving(tmp_path: Path) -> Serving:
    """Run a service as a process, without a bus: it waits for one, and has metrics meanwhile."""

    @asynccontextmanager
    async def run(
        service: str, program: str = "", **settings: str | int
    ) -> AsyncIterator[AsyncProcess]:
        environ = {"PATH": os.environ["PATH"], "NATS_URL": f"nats://127.0.0.1:{free_port()}"}
        process = AsyncProcess(
            service,
            [sys.executable, *(("-c", program) if program else ("-m", service))],
            environ | {name.upper(): str(value) for name, value in settings.items()},
            tmp_path,
        )
        await process.start()
        try:
            yield process
        finally:
            await process.stop()

    return run


@pytest.fixture
def page_of(serve_frontend: Serve) -> PageOf:
    """Start a frontend whose page names these coordinators."""

    async def page_of(*coordinators: TestServer, **settings: object) -> TestServer:
        hosts = ",".join(f"127.0.0.1:{one.port}" for one in coordinators)
        return await serve_frontend(ws_host=hosts, **settings)

    return page_of
