"""A TCP proxy that makes the way to a service long, uneven, and as lopsided as asked."""

import asyncio
import random
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass


@dataclass(frozen=True)
class Way:
    """How long bytes take: at least so long, and an exponential jitter on top; milliseconds."""

    there: float
    back: float
    jitter: float


@contextmanager
def slow_way(port: int, way: Way) -> Iterator[int]:
    """The port through which the service on `port` is reached by `way`."""
    listening: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event, int]] = Future()
    # Playwright's loop has this thread, so the proxy takes another.
    thread = threading.Thread(target=lambda: asyncio.run(_serve(port, way, listening)))
    thread.start()
    loop, stop, own_port = listening.result(10)
    try:
        yield own_port
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)


async def _serve(
    port: int,
    way: Way,
    listening: "Future[tuple[asyncio.AbstractEventLoop, asyncio.Event, int]]",
) -> None:
    writers: list[asyncio.StreamWriter] = []

    async def pair(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        try:
            answers, asks = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.close()
            return
        writers.append(asks)
        with suppress(asyncio.CancelledError):  # the proxy ends, and its pairs with it
            await asyncio.gather(
                _carry(reader, asks, way.there, way.jitter),
                _carry(answers, writer, way.back, way.jitter),
            )

    stop = asyncio.Event()
    server = await asyncio.start_server(pair, "127.0.0.1", 0)
    listening.set_result((asyncio.get_running_loop(), stop, server.sockets[0].getsockname()[1]))
    await stop.wait()
    server.close()
    for one in writers:
        one.transport.abort()
    # A transport lets go of its socket in the next turn of the loop.
    await asyncio.sleep(0.01)


async def _carry(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, least: float, jitter: float
) -> None:
    loop = asyncio.get_running_loop()
    arrival = 0.0

    def deliver(data: bytes) -> None:
        if not writer.is_closing():
            writer.write(data) if data else writer.close()

    try:
        while True:
            data = await reader.read(65_536)
            delay = least + (random.expovariate(1 / jitter) if jitter else 0)
            # What was sent first arrives first, as over any TCP connection.
            arrival = max(arrival, loop.time() + delay / 1000)
            loop.call_at(arrival, deliver, data)
            if not data:
                return
    except OSError:
        writer.close()
