"""A feed of a stream that three servers hold: leaders are killed or step down."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import nats
import pytest
from nats.aio.client import Client

from bus.stream import wanted
from coordinator.settings import Settings
from protocol import subjects
from support.feed import burst, names, settled, until, watching
from support.nats_server import NatsServer
from support.nats_server import cluster as cluster_of


class Cluster:
    """Three servers, each with a copy of the stream."""

    def __init__(self, directory: Path) -> None:
        self.servers = cluster_of(NatsServer, directory)

    @property
    def url(self) -> str:
        return ",".join(server.url for server in self.servers)

    def start(self) -> None:
        for server in self.servers:
            server.start()

    def kill(self) -> None:
        for server in self.servers:
            server.kill()

    async def leader(self, client: Client) -> NatsServer:
        """The server that leads the stream."""
        found: list[str] = []

        async def is_known() -> bool:
            with suppress(nats.errors.Error, nats.js.errors.APIError):
                info = await client.jetstream().stream_info(subjects.STREAM)
                found[:] = [info.cluster.leader] if info.cluster and info.cluster.leader else []
            return bool(found)

        await until(is_known)
        [leader] = [server for server in self.servers if server.name == found[0]]
        return leader


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    three = Cluster(tmp_path)
    three.start()
    yield three
    three.kill()


@asynccontextmanager
async def replicated(cluster: Cluster) -> AsyncIterator[Client]:
    """A client of a cluster that has the stream, three times, and republishes."""
    client = await nats.connect(
        cluster.url.split(","), max_reconnect_attempts=-1, reconnect_time_wait=0.1
    )
    config = wanted(Settings(stream_replicas=3))

    async def is_made() -> bool:
        with suppress(nats.errors.Error, nats.js.errors.APIError):
            await client.jetstream().add_stream(config)
            return True
        return False

    try:
        await until(is_made)
        yield client
    finally:
        await client.close()


async def test_the_streams_leader_is_killed_in_a_burst(cluster: Cluster) -> None:
    rooms = names(10)
    async with replicated(cluster) as client, watching(cluster.url, *rooms[:6]) as there:
        for _ in range(2):
            writing = asyncio.create_task(burst(client, rooms, 1000))
            await asyncio.sleep(0.3)
            leader = await cluster.leader(client)
            leader.kill()
            await asyncio.sleep(1.0)
            leader.start()
            await writing
            await settled(there, client)
        there.open(*rooms[6:])
        await settled(there, client)


async def test_the_leader_steps_down_again_and_again_in_a_burst(cluster: Cluster) -> None:
    rooms = names(10)
    async with replicated(cluster) as client, watching(cluster.url, *rooms[:6]) as there:
        writing = asyncio.create_task(burst(client, rooms, 2000))
        for _ in range(5):
            await asyncio.sleep(0.2)
            await cluster.leader(client)
            step_down = f"$JS.API.STREAM.LEADER.STEPDOWN.{subjects.STREAM}"
            with suppress(nats.errors.Error):
                await client.request(step_down, b"", timeout=2)
        await writing
        await settled(there, client)
