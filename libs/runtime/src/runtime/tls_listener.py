"""Accepts connections over TLS, counted and with a time limit from their first byte on.

A server of asyncio with a context tells nobody of a connection whose handshake is not done, and
gives it a minute: whoever opens many and sends nothing takes all descriptors.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from typing import Final, Never

from aiohttp import web

from .background import background
from .connection_limit import ConnectionLimit

HANDSHAKE_SECONDS: Final = 10.0
RETRY_SECONDS: Final = 0.1
"""The pause after a connection that can't be accepted, for want of descriptors for instance."""


class TlsListener:
    """Gives connections to `server` once they are secure.

    One over the limit is closed: without TLS there are no words for it.
    """

    def __init__(self, server: web.Server, context: ssl.SSLContext, limit: ConnectionLimit) -> None:
        self._server = server
        self._context = context
        self._limit = limit
        self._loop = asyncio.get_running_loop()

    @asynccontextmanager
    async def accepting(
        self, host: str, port: int, *, backlog: int, sockets: int
    ) -> AsyncIterator[None]:
        """Accept connections at every address of the host, with so many listening sockets, each
        with a backlog; raises OSError."""
        found = await self._loop.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        with ExitStack() as stack:
            listeners = [
                stack.enter_context(
                    socket.create_server(
                        address[:2], family=family, backlog=backlog, reuse_port=sockets > 1
                    )
                )
                for family, _, _, _, address in found
                for _ in range(sockets)
            ]
            async with background(*map(self._accept, listeners)):
                yield

    async def _accept(self, listener: socket.socket) -> Never:
        listener.setblocking(False)
        async with asyncio.TaskGroup() as group:
            while True:
                try:
                    connection, _ = await self._loop.sock_accept(listener)
                except OSError:
                    await asyncio.sleep(RETRY_SECONDS)
                    continue
                if self._limit.take(connection, _peer(connection), "tls_") is None:
                    group.create_task(self._shake_hands(connection))
                else:
                    connection.close()

    async def _shake_hands(self, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(
                self._server,
                connection,
                ssl=self._context,
                ssl_handshake_timeout=HANDSHAKE_SECONDS,
            )
        # It is no TLS, takes too long, or is closed, of which uvloop says RuntimeError.
        except (OSError, RuntimeError):
            connection.close()
        finally:
            self._limit.give_back(connection)


def _peer(connection: socket.socket) -> object:
    try:
        return connection.getpeername()
    except OSError:  # it is gone again
        return None
