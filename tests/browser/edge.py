"""A proxy that serves the frontend and a coordinator below a path, as an edge does."""

import asyncio
import re
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from functools import partial

_HEAD = re.compile(rb"(GET|POST|DELETE) (/\S*)")

_Listening = tuple[asyncio.AbstractEventLoop, asyncio.Event, int]


@contextmanager
def edge(
    base_path: str, frontend_port: int, coordinator_port: int, host: str = "127.0.0.1"
) -> Iterator[int]:
    """The port of an edge that removes `base_path`, and `/api` before a coordinator's paths."""
    listening: Future[_Listening] = Future()
    ports = (frontend_port, coordinator_port)
    # Playwright's loop has this thread, so the proxy takes another.
    thread = threading.Thread(target=lambda: asyncio.run(_serve(host, base_path, ports, listening)))
    thread.start()
    loop, stop, own_port = listening.result(10)
    try:
        yield own_port
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)


async def _serve(
    host: str, base_path: str, ports: tuple[int, int], listening: "Future[_Listening]"
) -> None:
    pairs: set[asyncio.Task[None]] = set()

    async def pair(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        pairs.add(task)
        await _pair(base_path, ports, reader, writer)
        pairs.discard(task)

    server = await asyncio.start_server(pair, host, 0)
    stop = asyncio.Event()
    listening.set_result((asyncio.get_running_loop(), stop, server.sockets[0].getsockname()[1]))
    await stop.wait()
    server.close()
    for task in pairs:
        task.cancel()
    await asyncio.gather(*pairs)
    # A transport lets go of its socket in the next turn of the loop.
    await asyncio.sleep(0.01)


async def _pair(
    base_path: str,
    ports: tuple[int, int],
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    asks = None
    with suppress(OSError, asyncio.CancelledError):  # the edge ends, and its pairs with it
        data = await reader.read(65_536)
        is_socket = f"{base_path}/api/ws/".encode() in data.partition(b"\r\n")[0]
        answers, asks = await asyncio.open_connection("127.0.0.1", ports[is_socket])
        async with asyncio.TaskGroup() as group:
            group.create_task(_carry(answers, writer))
            while data:
                asks.write(_HEAD.sub(partial(_below, base_path.encode()), data, count=1))
                data = await reader.read(65_536)
            asks.write_eof()
    for one in (writer, asks):
        if one is not None:
            one.transport.abort()


def _below(base_path: bytes, head: re.Match[bytes]) -> bytes:
    """The request's head as a service gets it; outside the path there is nothing."""
    path = head[2].removeprefix(base_path) if head[2].startswith(base_path) else b"/nothing"
    return head[1] + b" " + path.replace(b"/api/ws/", b"/ws/")


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
    writer.close()
