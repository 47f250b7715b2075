"""What our NATS client sends and receives past nats-py's tasks, and over which connection."""

import asyncio
import gc
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bus.client import Client
from bus.transport import Transport
from support.nats_server import NatsServer
from support.ports import free_port
from support.waiting import until


async def ignore(_: Exception) -> None:
    """For errors that a test brings about."""


@pytest.fixture
async def client(nats_server: NatsServer) -> AsyncIterator[Client]:
    client = Client()
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


@pytest.mark.filterwarnings("ignore:parameter 'timeout':DeprecationWarning")  # nats-py's call
async def test_what_is_sent_at_once_over_a_websocket_does_not_wait(tmp_path: Path) -> None:
    config, port = tmp_path / "nats.conf", free_port()
    config.write_text(f'websocket {{ listen: "127.0.0.1:{port}", no_tls: true }}\n')
    server = NatsServer(tmp_path, "-c", str(config))
    server.start()
    client = Client()
    try:
        await client.connect(f"ws://127.0.0.1:{port}", error_cb=ignore)
        received = asyncio.Event()
        client.subscribe_inline("numbers", lambda *_: received.set())
        client.publish_soon("numbers", b"1", "")
        async with asyncio.timeout(0.5):  # the next ping would take it along
            await received.wait()
    finally:
        await client.close()
        server.kill()


async def test_what_is_on_its_way_when_a_subscription_ends_is_handled(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bus.client.FORGET_SECONDS", 0.1)
    received: list[bytes] = []

    def take(_subject: bytes, _reply: bytes, _headers: bytes, payload: bytes) -> None:
        if not received:
            client.unsubscribe_soon(subscription)
        received.append(payload)

    subscription = client.subscribe_inline("numbers", take)
    for number in range(5):
        client.publish_soon("numbers", b"%d" % number, "")
    await client.flush()
    assert received == [b"0", b"1", b"2", b"3", b"4"]
    client.publish_soon("numbers", b"5", "")
    await client.flush()
    assert received[-1] == b"4"
    await asyncio.sleep(0.15)
    assert subscription._id not in client._subs


async def test_a_subscription_of_another_client_ends_nothing(client: Client) -> None:
    received = asyncio.Event()
    there = client.subscribe_inline("numbers", lambda *_: received.set())
    other = Client()
    other._sid = there._id - 1
    client.unsubscribe_soon(other.subscribe_inline("others", lambda *_: None))
    client.publish_soon("numbers", b"1", "")
    async with asyncio.timeout(10):
        await received.wait()


class Standing(ABC):
    """A NATS server that sends what a test wants, and counts its open connections."""

    def __init__(self) -> None:
        self.connections = self.open = self.most_open = 0
        self.port = 0

    @abstractmethod
    async def on_line(self, number: int, line: bytes, writer: asyncio.StreamWriter) -> None:
        """The client has sent a line over its connection of this number, from 1 on."""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.connections += 1
            self.open += 1
            number = self.connections
            self.most_open = max(self.most_open, self.open)
            writer.write(b'INFO {"server_id":"x","max_payload":1048576,"headers":true}\r\n')
            while line := await reader.readline():
                await self.on_line(number, line, writer)
            self.open -= 1
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            yield


@asynccontextmanager
async def connected(server: Standing) -> AsyncIterator[Client]:
    client = Client()
    async with server.running():
        await client.connect(
            f"nats://127.0.0.1:{server.port}",
            error_cb=ignore,
            reconnect_time_wait=0.01,  # type: ignore[arg-type]
            max_reconnect_attempts=-1,
        )
        try:
            yield client
        finally:
            await client.close()


async def test_a_refused_reconnect_leaves_no_connection_open() -> None:
    class Refusing(Standing):
        async def on_line(self, number: int, line: bytes, writer: asyncio.StreamWriter) -> None:
            if line.startswith(b"PING"):
                writer.write(b"PONG\r\n" if number == 1 else b"-ERR 'Authorization Violation'\r\n")

    server = Refusing()
    gc.disable()  # a connection is not to wait for that
    try:
        async with connected(server) as client:
            await client.force_reconnect()

            async def has_tried() -> bool:
                return server.connections > 10

            await until(has_tried)
            assert server.most_open <= 3
    finally:
        gc.enable()


async def test_half_a_message_of_one_connection_is_not_completed_by_the_next() -> None:
    class Sending(Standing):
        async def on_line(self, number: int, line: bytes, writer: asyncio.StreamWriter) -> None:
            if line.startswith(b"PING"):
                writer.write(b"PONG\r\n")
            elif line.startswith(b"SUB") and number == 2:
                writer.write(b"MSG s 1 5\r\nfirst\r\nMSG s 1 6\r\nsecond\r\n")

    server, received = Sending(), list[bytes]()
    async with connected(server) as client:
        client.subscribe_inline("s", lambda *message: received.append(message[3]))
        await client.flush()
        assert isinstance(client._transport, Transport)
        assert client._transport._io_reader is not None
        # It comes in the turn in which the client is told to connect again.
        client._transport._io_reader.feed_data(b"MSG s 1 20\r\nold..")
        await client.force_reconnect()

        async def has_come() -> bool:
            return len(received) > 1

        await until(has_come)
    assert received == [b"first", b"second"]
    assert server.connections == 2
