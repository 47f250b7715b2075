"""A real nats-server for each test, and our services on it, in this process."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import nats
import pytest
import uvloop
from aiohttp import web
from aiohttp.test_utils import TestServer
from nats.aio.client import Client

import coordinator.app
import coordinator.settings
import frontend.app
import frontend.settings
import scheduler.app
import scheduler.settings
from support.api_client import Api, calling
from support.nats_server import NatsServer
from support.served import Serve, until_ready


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
async def bus(nats_server: NatsServer) -> AsyncIterator[Client]:
    """A person's client of the bus, such as the `nats` program."""
    client = await nats.connect(nats_server.url, max_reconnect_attempts=-1, reconnect_time_wait=0.1)
    yield client
    await client.close()


@pytest.fixture
async def serve_coordinator(
    nats_server: NatsServer, aiohttp_server: Callable[[web.Application], Awaitable[TestServer]]
) -> Serve:
    """Start a coordinator; gives its server once it is ready."""

    async def serve(is_ready: bool = True, **settings: Any) -> TestServer:
        settings = {"nats_url": nats_server.url, "instance": "coordinator-1"} | settings
        app = coordinator.app.create_app(coordinator.settings.Settings(**settings))
        server = await aiohttp_server(app)
        if is_ready:
            await until_ready(server)
        return server

    return serve


@pytest.fixture
async def serve_scheduler(
    nats_server: NatsServer, aiohttp_server: Callable[[web.Application], Awaitable[TestServer]]
) -> Serve:
    """Start a scheduler; gives its server once it is ready."""

    async def serve(is_ready: bool = True, **settings: Any) -> TestServer:
        settings = {"nats_url": nats_server.url, "instance": "scheduler-1"} | settings
        app = scheduler.app.create_app(scheduler.settings.Settings(**settings))
        server = await aiohttp_server(app)
        if is_ready:
            await until_ready(server)
        return server

    return serve


@pytest.fixture
async def serve_frontend(
    nats_server: NatsServer, aiohttp_server: Callable[[web.Application], Awaitable[TestServer]]
) -> Serve:
    """Start a frontend; gives its server once it is ready."""

    async def serve(is_ready: bool = True, **settings: Any) -> TestServer:
        settings = {"nats_url": nats_server.url, "instance": "frontend-1"} | settings
        app = frontend.app.create_app(frontend.settings.Settings(**settings))
        server = await aiohttp_server(app)
        if is_ready:
            await until_ready(server)
        return server

    return serve


@pytest.fixture
async def page(
    serve_scheduler: Serve, serve_coordinator: Serve, serve_frontend: Serve
) -> TestServer:
    """A frontend, with two schedulers and a coordinator behind it."""
    await serve_scheduler()
    await serve_scheduler(instance="scheduler-2")
    await serve_coordinator()
    return await serve_frontend()


@pytest.fixture
async def api(page: TestServer) -> AsyncIterator[Api]:
    """Ask the JSON API; gives the status and the body's JSON."""
    async with calling(page) as api:
        yield api
