"""Services on a NATS server that is cut off from the others say so, and move to another server."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import nats
import nats.errors
import pytest
from nats.aio.client import Client

from support.bus_client import ask
from support.nats_server import CONFIG, PASSWORDS, AsyncNatsServer, cluster
from support.routes import Routes
from support.served import Serve, until_ready
from support.viewer import is_last_tick, viewing
from support.waiting import until

NAMES = ("nats-1", "nats-2", "nats-3")
RUN = "r" * 32
LEADING_SECONDS = 20.0
MOVED_SECONDS = 20.0
"""A consumer that is placed on the server that is cut off has to be created again."""
STALE_SECONDS = 20.0
"""Until the others take its routes for dead, requests may still go to where a service was."""


@pytest.fixture
async def network() -> AsyncIterator[Routes]:
    routes = Routes(NAMES)
    async with routes.relaying():
        yield routes


@pytest.fixture
async def servers(tmp_path: Path, network: Routes) -> AsyncIterator[list[AsyncNatsServer]]:
    """Three servers, of which each reaches the others over the network."""
    env = dict(os.environ) | PASSWORDS
    three = cluster(AsyncNatsServer, tmp_path, config=CONFIG, env=env, network=network)
    for server in three:
        await server.start()
    yield three
    for server in three:
        await server.discard()


def both_ways(network: Routes, name: str) -> None:
    network.cut_from(name)
    network.cut_to(name)


@pytest.mark.parametrize("leader", ["nats-1", "nats-2"])
@pytest.mark.parametrize("cut", [both_ways, Routes.cut_from, Routes.cut_to])
async def test_a_service_says_so_and_moves(
    servers: list[AsyncNatsServer],
    network: Routes,
    serve_scheduler: Serve,
    serve_coordinator: Serve,
    cut: Callable[[Routes, str], None],
    leader: str,
) -> None:
    """Whether it was connected to the stream's leader or to another server."""
    settings = {"nats_url": servers[0].url, "stream_replicas": 3}
    scheduler = await serve_scheduler(**settings)
    coordinator = await serve_coordinator(**settings)
    client = await nats.connect(servers[1].url, user="operator", password="operator")
    try:
        await _lead(client, leader)
        async with viewing(coordinator) as viewer:
            # Long enough for both to have seen the quorum, so that its loss is news.
            assert (await ask(client, "scheduler.start", interval_ms=600, **{"from": 2}))[0] == 200
            await viewer.until(is_last_tick)
            cut(network, "nats-1")
            await asyncio.gather(until_ready(coordinator, 503), until_ready(scheduler, 503))
            await asyncio.gather(
                *(until_ready(one, seconds=MOVED_SECONDS) for one in (coordinator, scheduler))
            )
            start: dict[str, object] = {"run": RUN, "from": 100}
            await until(lambda: _is_done(client, "scheduler.start", **start), STALE_SECONDS)
            await viewer.until(lambda frame: frame["type"] == "tick")
            await until(lambda: _is_done(client, "scheduler.cancel", run=RUN), STALE_SECONDS)
            await viewer.until(lambda frame: frame["type"] == "cancelled")
            assert [f["type"] for f in viewer.frames].count("hello") == 1
    finally:
        await client.close()


async def _is_done(client: Client, subject: str, **request: object) -> bool:
    """Ask for something that is done once, however often it is asked for."""
    with suppress(nats.errors.TimeoutError):
        return (await ask(client, subject, **request))[0] == 200
    return False


async def _lead(client: Client, name: str) -> None:
    """Make this server the stream's leader, and wait until the others have the whole stream."""
    request = json.dumps({"placement": {"preferred": name}}).encode()

    async def leads() -> bool:
        with suppress(nats.errors.Error):  # there may be no leader at the moment
            stream = await client.jetstream(timeout=1.0).stream_info("COUNTDOWN")
            assert stream.cluster is not None
            if stream.cluster.leader == name:
                return all(peer.current for peer in stream.cluster.replicas or [])
            await client.request("$JS.API.STREAM.LEADER.STEPDOWN.COUNTDOWN", request, timeout=1.0)
        return False

    await until(leads, LEADING_SECONDS)
