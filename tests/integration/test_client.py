"""What our NATS client sends at once, past nats-py's task that writes."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from bus.client import Client
from bus.transport import Transport
from support.nats_server import NatsServer


@pytest.fixture
async def client(nats_server: NatsServer) -> AsyncIterator[Client]:
    client = Client()

    async def ignore(_: Exception) -> None: ...

    await client.connect(nats_server.url, error_cb=ignore)
    yield client
    await client.close()


async def test_what_is_sent_at_once_does_not_overtake_what_waits(client: Client) -> None:
    received: list[bytes] = []
    client.subscribe_inline("numbers", lambda *message: received.append(message[3]))
    await client.publish("numbers", b"1")
    client.publish_soon("numbers", b"2", "")
    await client.flush()
    client.publish_soon("numbers", b"3", "")
    await client.publish("numbers", b"4")
    await client.flush()
    assert received == [b"1", b"2", b"3", b"4"]


async def test_what_is_sent_at_once_over_a_connection_that_is_closing_is_not_lost(
    client: Client,
) -> None:
    received = asyncio.Event()
    client.subscribe_inline("numbers", lambda *_: received.set())
    await client.flush()
    assert isinstance(client._transport, Transport)
    assert client._transport._io_writer is not None
    client._transport._io_writer.transport.abort()
    await asyncio.sleep(0)
    assert client.is_connected  # nats-py has not noticed yet
    client.publish_soon("numbers", b"1", "")
    async with asyncio.timeout(10):
        await received.wait()
