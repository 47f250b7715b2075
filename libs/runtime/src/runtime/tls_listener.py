"""Accepts connections over TLS, counted and with a time limit from their first byte on.

A server of asyncio with a context tells nobody of a connection whose handshake is not done, and
gives it a minute: whoever opens many and sends nothing takes all descriptors.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from typing import Final, Never

from aiohttp import web

from .background import background
from .connection_limit import ConnectionLimit
from .listening import NEWCOMER_SECONDS

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
        self._handshakes: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def accepting(self, listeners: Sequence[socket.socket]) -> AsyncIterator[None]:
        """Accept connections, and close the sockets afterwards; handshakes in progress then have
        NEWCOMER_SECONDS."""
        async with asyncio.TaskGroup() as handshakes:
            with ExitStack() as stack:
                for listener in listeners:
                    listener.setblocking(False)
                    stack.enter_context(listener)
                async with background(*(self._accept(one, handshakes) for one in listeners)):
                    yield
            await self._end_handshakes()

    async def _accept(self, listener: socket.socket, handshakes: asyncio.TaskGroup) -> Never:
        while True:
            try:
                connection, _ = await self._loop.sock_accept(listener)
            except OSError:
                await asyncio.sleep(RETRY_SECONDS)
                continue
            if self._limit.take(connection, _peer(connection), "tls_") is None:
                handshake = handshakes.create_task(self._shake_hands(connection))
                self._handshakes.add(handshake)
                handshake.add_done_callback(self._handshakes.discard)
            else:
                connection.close()

    async def _end_handshakes(self) -> None:
        if self._handshakes:
            _, late = await asyncio.wait(self._handshakes, timeout=NEWCOMER_SECONDS)
            for handshake in late:
                handshake.cancel()

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
