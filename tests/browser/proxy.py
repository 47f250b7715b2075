"""A TCP proxy in a thread of its own, since Playwright's loop has the test's."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager, suppress

Pair = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""Serves one connection, until either side ends."""
_Listening = tuple[asyncio.AbstractEventLoop, asyncio.Event, int]


@contextmanager
def proxy(pair: Pair, host: str = "127.0.0.1") -> Iterator[int]:
    """The port of a proxy that serves each connection by `pair`.

    When the proxy ends, its pairs are cancelled.
    """
    listening: Future[_Listening] = Future()
    thread = threading.Thread(target=lambda: asyncio.run(_serve(host, pair, listening)))
    thread.start()
    loop, stop, own_port = listening.result(10)
    try:
        yield own_port
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)


async def _serve(host: str, pair: Pair, listening: "Future[_Listening]") -> None:
    pairs: set[asyncio.Task[None]] = set()

    async def tracked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        pairs.add(task)
        with suppress(asyncio.CancelledError):  # the proxy ends, and its pairs with it
            async with ending(writer):
                await pair(reader, writer)
        pairs.discard(task)

    server = await asyncio.start_server(tracked, host, 0)
    stop = asyncio.Event()
    listening.set_result((asyncio.get_running_loop(), stop, server.sockets[0].getsockname()[1]))
    await stop.wait()
    server.close()
    for task in pairs:
        task.cancel()
    await asyncio.gather(*pairs)
    # A transport lets go of its socket in the next turn of the loop.
    await asyncio.sleep(0.01)


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to a service on this machine; raises OSError if there is none."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    async with ending(writer):
        yield reader, writer


@asynccontextmanager
async def ending(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    """Close a connection, or abort it if the other one is lost or the proxy ends."""
    try:
        yield
        writer.close()
    except* OSError:
        pass
    finally:
        if not writer.is_closing():
            writer.transport.abort()
