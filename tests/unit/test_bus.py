"""The connection to NATS: which errors are its own, and that waiting for it always ends."""

import asyncio

import pytest
import uvloop

from bus.errors import BusUnavailable, bus_errors

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
