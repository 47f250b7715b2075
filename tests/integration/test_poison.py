"""Bytes that anybody can put on the bus and that nats-py misreads."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from nats.aio.client import Client as PlainClient

from bus.client import Client
from support.bus_client import ask
from support.nats_server import NatsServer
from support.served import Serve, metric, until_ready
from support.viewer import is_last_tick, viewing

CRLF = b"\r\n"


def pub(subject: bytes, payload: bytes = b"hi", reply: bytes = b"") -> bytes:
    """A message as it stands on the wire; nobody has checked it."""
    return b" ".join([b"PUB", subject, *([reply] if reply else []), b"%d" % len(payload)]) + (
        CRLF + payload + CRLF
    )


def hpub(subject: bytes, headers: bytes, payload: bytes = b"hi", reply: bytes = b"") -> bytes:
    """The same with a block of headers as it is."""
    sizes = b"%d %d" % (len(headers), len(headers) + len(payload))
    return b" ".join([b"HPUB", subject, *([reply] if reply else []), sizes]) + (
        CRLF + headers + payload + CRLF
    )


MESSAGES = {
    "status 100": hpub(b"countdown.main.message", b"NATS/1.0\r\nStatus: 100\r\n\r\n"),
    "status 409": hpub(b"countdown.main.message", b"NATS/1.0\r\nStatus: 409\r\n\r\n"),
    "inline status": hpub(b"countdown.main.message", b"NATS/1.0 503 No\r\n\r\n"),
    "heartbeat": hpub(
        b"countdown.main.message",
        b"NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 99\r\n\r\n",
    ),
    "not UTF-8": pub(b"countdown.\xff\xfe.message"),
    "vertical tab": pub(b"countdown.a\x0bb.message"),
    "form feed": pub(b"countdown.a\x0c1.message"),
    "long subject": pub(b"countdown." + b"a" * 3000 + b".message"),
    "short header": hpub(b"countdown.main.message", b"N"),
    "no colon": hpub(b"countdown.main.message", b"NATS/1.0\r\nnothing\r\n\r\n"),
    "NUL": hpub(b"countdown.main.message", b"NATS/1.0\r\n\x00\x00: \x00\r\n\r\n"),
    "wrong version": hpub(b"countdown.main.message", b"HTTP/9.9\r\na: b\r\n\r\n"),
    "status that is none": hpub(b"countdown.main.message", b"NATS/1.0 \xff\xff\xff\r\n\r\n"),
    "60 KB of headers": hpub(
        b"countdown.main.message", b"NATS/1.0\r\n" + b"x: y\r\n" * 10_000 + b"\r\n"
    ),
}
REQUESTS = {
    "not UTF-8": pub(b"scheduler.start", b"{}", b"_INBOX.\xff\xfe"),
    "vertical tab": pub(b"scheduler.start", b"{}", b"_INBOX.a\x0bb"),
    "ping": pub(b"$SRV.PING", b"", b"\xff\xfe"),
    "ping, form feed": pub(b"$SRV.PING", b"", b"_INBOX.\x0c1"),
    "ping, 1 MB of headers": hpub(
        b"$SRV.PING",
        b"NATS/1.0\r\n" + b"z: " + b"z" * 1_048_400 + b"\r\n\r\n",
        b"",
        b"_INBOX.x",
    ),
    "ping, a reply that grows": pub(b"$SRV.PING", b"", b"_INBOX." + b"\xff" * 3000),
    "no reply": pub(b"scheduler.start", b'{"room":"other","interval_ms":100}'),
    "cancel": pub(b"scheduler.cancel", b"{}", b"\xc3\x28"),
    "room": pub(b"coordinator.room", b"{}", b"\xc3\x28"),
    "headers": hpub(b"scheduler.start", b"N", b'{"room":"other"}', b"_INBOX.x"),
    "answer by": hpub(
        b"scheduler.cancel", "NATS/1.0\r\nAnswer-By: ²²\r\n\r\n".encode(), b"{}", b"_INBOX.x"
    ),
}


async def send(server: NatsServer, *poison: bytes) -> None:
    """Write these bytes to the bus, as nobody in particular."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b'CONNECT {"verbose":false,"pedantic":false,"headers":true}\r\n')
    writer.writelines(poison)
    writer.write(b"PING\r\n")
    async with asyncio.timeout(5):
        while (line := await reader.readline()) != b"PONG\r\n":
            assert not line.startswith(b"-ERR"), line
    writer.close()


@asynccontextmanager
async def counting(
    serve_scheduler: Serve, serve_coordinator: Serve, bus: PlainClient
) -> AsyncIterator[None]:
    """Six ticks are seen once each, none of them late, whatever is done meanwhile."""
    await serve_scheduler()
    server = await serve_coordinator()
    opened = await metric(server, "tminus_follower_opened_total")
    async with viewing(server, room="quiz") as viewer:
        started = await ask(bus, "scheduler.start", room="quiz", interval_ms=100, **{"from": 5})
        assert started[0] == 200
        yield
        await viewer.until(is_last_tick)
        assert viewer.ticks == list(range(5, -1, -1))
        late = [f["emitted"] - f["due"] for f in viewer.frames if f["type"] == "tick"]
        assert max(late) < 1000, late
        await until_ready(server)
        assert await metric(server, "tminus_follower_opened_total") == opened


@pytest.mark.parametrize("poison", MESSAGES.values(), ids=MESSAGES)
async def test_a_poisoned_message_stops_nobody_also_not_after_a_restart(
    nats_server: NatsServer,
    serve_scheduler: Serve,
    serve_coordinator: Serve,
    bus: PlainClient,
    poison: bytes,
) -> None:
    async with counting(serve_scheduler, serve_coordinator, bus):
        await send(nats_server, poison)
    restarted = await serve_coordinator(instance="coordinator-2")
    async with viewing(restarted, room="quiz") as viewer:
        assert (await viewer.frame())["state"]["status"] == "finished"


@pytest.mark.parametrize("poison", REQUESTS.values(), ids=REQUESTS)
async def test_a_poisoned_request_delays_nobody(
    nats_server: NatsServer,
    serve_scheduler: Serve,
    serve_coordinator: Serve,
    bus: PlainClient,
    poison: bytes,
) -> None:
    async with counting(serve_scheduler, serve_coordinator, bus):
        await send(nats_server, poison)


async def test_a_reading_that_ends_by_itself_is_noticed_at_once(nats_server: NatsServer) -> None:
    """Whatever ended it: the next such fault of the client will be another one."""

    class Breaking(Client):
        is_broken = False

        async def _process_ping(self) -> None:
            raise ZeroDivisionError

    reconnected = asyncio.Event()

    async def on_reconnected() -> None:
        reconnected.set()

    async def nothing(_: Exception) -> None:
        pass

    client = Breaking()
    await client.connect(
        nats_server.url,
        reconnected_cb=on_reconnected,
        error_cb=nothing,
        reconnect_time_wait=0,
    )
    try:
        await client._ps.parse(b"+OK\r\n")
        with pytest.raises(ZeroDivisionError):
            await client._ps.parse(b"PING\r\n")
        client._transport._io_reader.feed_data(b"PING\r\n")  # type: ignore[union-attr]
        await asyncio.wait_for(reconnected.wait(), 2)
        assert client.is_connected
    finally:
        await client.close()
