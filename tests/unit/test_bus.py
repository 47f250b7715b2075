"""The connection to NATS: which errors are its own, and that waiting for it always ends."""

import asyncio
import signal
from collections.abc import Iterator
from types import FrameType

import nats.errors
import pytest
import uvloop
from nats.aio.client import Client as NatsClient
from structlog.testing import capture_logs

from bus.client import Client
from bus.connection import Bus
from bus.errors import BusUnavailable, bus_errors
from scheduler.settings import Settings

HANDLE = "unable to perform operation on <TCPTransport closed=True reading=False 0x5581>; "


@pytest.mark.parametrize(
    "words",
    [
        HANDLE + "the handler is closed",
        "Cannot call write() after write_eof()",
        "Event loop is closed",
        "Session is closed",
    ],
)
def test_a_closed_connection_is_trouble_on_the_bus(words: str) -> None:
    with pytest.raises(BusUnavailable, match="the stream: "), bus_errors("the stream"):
        raise RuntimeError(words)


def test_what_uvloop_raises_for_a_closed_connection_is_trouble_on_the_bus() -> None:
    async def write_to_a_closed_one() -> None:
        server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.transport.abort()
            await asyncio.sleep(0.05)
            with pytest.raises(BusUnavailable), bus_errors("the stream"):
                writer.write(b"PING\r\n")

    uvloop.run(write_to_a_closed_one())


@pytest.mark.parametrize(
    "mistake",
    [
        RecursionError("maximum recursion depth exceeded"),
        NotImplementedError("the handler is closed"),
        RuntimeError("dictionary changed size during iteration"),
        RuntimeError("TaskGroup <TaskGroup> is shutting down"),
        RuntimeError("the history is closed to writers"),
    ],
)
def test_a_mistake_of_ours_is_not(mistake: Exception) -> None:
    with pytest.raises(type(mistake)) as raised, bus_errors("the stream"):
        raise mistake
    assert raised.value is mistake


@pytest.fixture
def alarm() -> Iterator[None]:
    """Ends a test that never gives its event loop back."""

    def ring(signal_number: int, frame: FrameType | None) -> None:
        raise AssertionError("the event loop was not given back")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 5)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("alarm")
async def test_who_waits_for_a_connection_gives_the_loop_back_whatever_was_heard() -> None:
    bus = Bus(Settings(), "scheduler")
    waiting = asyncio.create_task(bus.connected())
    # As of a client that has been replaced meanwhile.
    for late_callback in (bus._on_connected, bus._on_closed, bus._on_disconnected):
        await late_callback()
        await asyncio.sleep(0)
    assert not waiting.done()
    waiting.cancel()


@pytest.mark.usefixtures("alarm")
async def test_who_waits_for_the_end_of_a_client_gives_the_loop_back_whatever_was_heard() -> None:
    bus = Bus(Settings(), "scheduler")
    bus._client = client = Client()
    client._status = Client.CONNECTED
    waiting = asyncio.create_task(bus.closed(client))
    for late_callback in (bus._on_closed, bus._on_connected, bus._on_disconnected):
        await late_callback()
        await asyncio.sleep(0)
    assert not waiting.done()
    client._status = Client.CLOSED
    await bus._on_closed()
    await asyncio.wait_for(waiting, 1)


REFUSED = nats.errors.Error("nats: 'Authorization Violation'")
CUT = ConnectionResetError(104, "Connection reset by peer")
DOWN = ConnectionRefusedError(111, "Connection refused")


async def test_a_cancellation_in_the_turn_of_the_reply_is_not_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    replies: list[str] = []

    async def publish(_client: NatsClient, _to: str, _data: bytes, reply: str, *_: object) -> None:
        replies.append(reply)

    monkeypatch.setattr(NatsClient, "publish", publish)
    client = Client()
    requesting = asyncio.create_task(client.request("anything"))
    await asyncio.sleep(0)
    client.inbox.on_reply(replies[0].encode(), b"", b"", b"")
    requesting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await requesting


async def told(bus: Bus, *errors: Exception) -> list[str]:
    """What the log is told of errors while there is no connection."""
    with capture_logs() as logs:
        for error in errors:
            await bus._on_error(error)
    return [line["reason"] for line in logs]


async def test_a_wrong_password_is_told_once_however_often_the_server_cuts_the_connection() -> None:
    bus = Bus(Settings(), "scheduler")
    assert await told(bus, *[REFUSED, CUT] * 10) == ["'Authorization Violation'"]
    assert "Authorization Violation" in (bus.check() or "")


async def test_reasons_that_take_turns_are_told_once_each() -> None:
    bus = Bus(Settings(), "scheduler")
    words = await told(bus, *[DOWN, CUT, REFUSED] * 10)
    assert words == ["[Errno 111] Connection refused", "'Authorization Violation'"]


async def test_after_a_connection_reasons_are_told_anew() -> None:
    bus = Bus(Settings(), "scheduler")
    assert len(await told(bus, REFUSED)) == 1
    await bus._on_connected()
    assert len(await told(bus, CUT, REFUSED)) == 2
