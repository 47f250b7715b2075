"""A proxy that serves the frontend and a coordinator below a path, as an edge does."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial

from .proxy import connected, proxy

_HEAD = re.compile(rb"(GET|POST|DELETE) (/\S*)")


@contextmanager
def edge(
    base_path: str, frontend_port: int, coordinator_port: int, host: str = "127.0.0.1"
) -> Iterator[int]:
    """The port of an edge that removes `base_path`, and `/api` before a coordinator's paths."""

    async def pair(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        data = await reader.read(65_536)
        is_socket = f"{base_path}/api/ws/".encode() in data.partition(b"\r\n")[0]
        port = coordinator_port if is_socket else frontend_port
        async with connected(port) as (answers, asks), asyncio.TaskGroup() as group:
            group.create_task(_carry(answers, writer))
            while data:
                asks.write(_HEAD.sub(partial(_below, base_path.encode()), data, count=1))
                data = await reader.read(65_536)
            asks.write_eof()

    with proxy(pair, host) as port:
        yield port


def _below(base_path: bytes, head: re.Match[bytes]) -> bytes:
    """The request's head as a service gets it; outside the path there is nothing."""
    path = head[2].removeprefix(base_path) if head[2].startswith(base_path) else b"/nothing"
    return head[1] + b" " + path.replace(b"/api/ws/", b"/ws/")


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
    writer.close()
