"""Taking a socket over from aiohttp, once it has answered the handshake.

aiohttp keeps a task, a parser, a request and queues for as long as its handler runs: some 12 KB a
connection, of which a viewer that only listens needs nothing. So once the response has been
prepared, the transport gets a protocol of ours, and aiohttp's `connection_lost` is called: it
forgets the connection without closing the socket. This uses `RequestHandler.transport` and
`_message_tail`, which aiohttp does not document; tests/integration/test_handover.py fails loudly
when they change.
"""

import asyncio
import socket
from contextlib import suppress

from aiohttp import web

SEND_BUFFER_BYTES = 64 * 1024
"""The kernel's send buffer of a viewer (Linux doubles it); by default it is megabytes."""
WRITE_BUFFER_BYTES = 64 * 1024
"""The process's buffer for one viewer; above it the viewer counts as lagging."""
UNACKNOWLEDGED_MS = 20_000
"""If sent data is not acknowledged for this long, the kernel drops the connection: this detects a
dead viewer of an event stream, which need not answer anything (RFC 5482)."""


class HandedOver(web.Response):
    """What a handler returns whose connection is not aiohttp's any more: nothing is written."""

    async def prepare(self, request: web.BaseRequest) -> None:
        """Write no headers."""

    async def write_eof(self, data: bytes = b"") -> None:
        """Write no end."""


def early_bytes(request: web.Request) -> bytes:
    """What the peer has sent after its handshake, in the same segment or while the handler waited.

    Preparing a WebSocket's response gives it to a parser of aiohttp's, so call this before. From
    then on until `take_over` the loop does nothing else, so nothing more can arrive.
    """
    handler = request.protocol
    early, handler._message_tail = handler._message_tail, b""
    return early


def take_over(request: web.Request, viewer: asyncio.Protocol) -> asyncio.Transport | None:
    """Give the request's socket to `viewer`; None if the peer has already disconnected.

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
    """Bound the kernel's buffer, and the time without an acknowledgement."""
    connection = transport.get_extra_info("socket")
    if connection is None:
        return
    # macOS refuses to set options of a socket that the peer has reset; the transport then reports
    # the end to the viewer like any other.
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS)
