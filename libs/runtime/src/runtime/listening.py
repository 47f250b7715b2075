"""The listening sockets of a service, and what becomes of their connections when it ends."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

BACKLOG: Final = 4096
"""Connections that may wait at a listening socket, the most that Linux allows by default."""
LISTENERS: Final = 4
"""Listening sockets, each with a backlog. A SYN that finds every backlog full is dropped, and the
client retransmits after 1 s, then 3 s."""
NEWCOMER_SECONDS: Final = 1.0
"""How long a service that ends waits for the first request of a connection, and for its answer."""
LOOK_SECONDS: Final = 0.01


def claim(host: str, port: int) -> None:
    """Raise OSError if another process has the port: with SO_REUSEPORT ours would share it."""
    for family, address in _addresses(host, port):
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            if os.name == "posix":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            probe.bind(address)


def listen(host: str, port: int) -> list[socket.socket]:
    """Sockets that listen at every address of the host, several at each; raises OSError."""
    can_share = sys.platform == "linux" and port != 0
    return [
        socket.create_server(address, family=family, backlog=BACKLOG, reuse_port=can_share)
        for family, address in _addresses(host, port)
        for _ in range(LISTENERS if can_share else 1)
    ]


def _addresses(host: str, port: int) -> list[tuple[int, tuple[str, int]]]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return [(family, (str(address[0]), port)) for family, _, _, _, address in found]


@asynccontextmanager
async def accepting(
    runner: web.AppRunner, listeners: Sequence[socket.socket]
) -> AsyncIterator[None]:
    """Accept connections, and close the sockets afterwards."""
    sites = [web.SockSite(runner, listener, backlog=BACKLOG) for listener in listeners]
    try:
        for site in sites:
            await site.start()
        yield
    finally:
        for started in runner.sites:
            await started.stop()


async def newcomers_served(server: web.Server) -> None:
    """Wait until every connection has been answered once, for NEWCOMER_SECONDS at most.

    A client's request comes a round trip after its connection: aiohttp closes one that has asked
    for nothing yet, and for its client the service is dead.
    """
    for _ in range(round(NEWCOMER_SECONDS / LOOK_SECONDS)):
        if not any(map(_is_new, server.connections)):
            break
        await asyncio.sleep(LOOK_SECONDS)


def _is_new(handler: RequestHandler) -> bool:
    """Whether it has had no request, or is busy with one. aiohttp documents neither attribute."""
    return not handler._request_count or handler._waiter is None
