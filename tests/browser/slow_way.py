"""A TCP proxy that makes the way to a service long, uneven, and as lopsided as asked."""

import asyncio
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from .proxy import connected, proxy


@dataclass(frozen=True)
class Way:
    """How long bytes take: at least so long, and an exponential jitter on top; milliseconds."""

    there: float
    back: float
    jitter: float


@contextmanager
def slow_way(port: int, way: Way) -> Iterator[int]:
    """The port through which the service on `port` is reached by `way`."""

    async def pair(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with connected(port) as (answers, asks):
            await asyncio.gather(
                _carry(reader, asks, way.there, way.jitter),
                _carry(answers, writer, way.back, way.jitter),
            )

    with proxy(pair) as own_port:
        yield own_port


async def _carry(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, least: float, jitter: float
) -> None:
    loop = asyncio.get_running_loop()
    arrival = 0.0
    is_over = asyncio.Event()

    def deliver(data: bytes) -> None:
        if data and not writer.is_closing():
            writer.write(data)
        elif not data:
            writer.close()
            is_over.set()

    data = b"-"
    while data:
        data = await reader.read(65_536)
        delay = least + (random.expovariate(1 / jitter) if jitter else 0)
        # What was sent first arrives first, as over any TCP connection.
        arrival = max(arrival, loop.time() + delay / 1000)
        loop.call_at(arrival, deliver, data)
    await is_over.wait()
