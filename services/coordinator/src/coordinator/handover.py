"""Taking a socket over from aiohttp, once it has answered the handshake.

aiohttp keeps a task, a parser, a request and queues for as long as its handler runs: some 12 KB a
connection, of which a viewer that only listens needs nothing. So when the response has been
prepared the transport gets a protocol of ours, and aiohttp is told that its connection is lost: it
forgets it without closing the socket. This uses `RequestHandler.transport` and `_message_tail`,
which aiohttp does not document; tests/integration/test_handover.py fails loudly when they change.
"""

import asyncio
import socket
from contextlib import suppress

from aiohttp import web

SEND_BUFFER_BYTES = 64 * 1024
"""What the kernel may hold back for one viewer (Linux doubles it): it would be megabytes."""
WRITE_BUFFER_BYTES = 64 * 1024
"""What the process may hold back for one viewer before it counts as lagging."""
UNACKNOWLEDGED_MS = 20_000
"""After so long without a sign that what was sent arrives, the kernel gives a connection up: it is
how a dead viewer is found out who need not answer anything (RFC 5482)."""


def early_bytes(request: web.Request) -> bytes:
    """What the peer has sent behind its handshake, in the same segment or while the handler waited.

    Preparing a WebSocket's response gives it to a parser of aiohttp's, so this comes before. From
    then on until `take_over` the loop does nothing else, so nothing more can come.
    """
    handler = request.protocol
    early, handler._message_tail = handler._message_tail, b""
    return early


def take_over(request: web.Request, viewer: asyncio.Protocol) -> asyncio.Transport | None:
    """Give the request's socket to `viewer`; None where the peer has already gone.

    The handler must return soon after, without writing anything more.
    """
    transport, handler = request.transport, request.protocol
    if transport is None or transport.is_closing():
        return None
    _set_options(transport)
    transport.set_protocol(viewer)
    handler.transport = None  # so that connection_lost does not close it
    handler.connection_lost(None)
    transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)
    return transport


def _set_options(transport: asyncio.Transport) -> None:
    """Bound what the kernel holds back, and for how long."""
    connection = transport.get_extra_info("socket")
    if connection is None:
        return
    # macOS lets nobody set an option of a socket that the peer has reset; that it has ended the
    # transport tells the viewer like any other end.
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS)
