"""The connection to a NATS server, whose data is handled as it comes.

asyncio's streams wake the task that reads, a turn of the event loop later. While that task waits,
what comes is offered to the parser first, and the task reads only what the parser leaves.
"""

import asyncio
import ssl
from urllib.parse import ParseResult

from nats.aio.transport import TcpTransport

from .parser import Parser


class Transport(TcpTransport):
    """A connection over TCP or TLS."""

    def __init__(self, parser: Parser) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._parser = parser
        self._is_waited_for = False
        """Whether the task has parsed everything and waits for data."""

    async def connect(self, uri: ParseResult, buffer_size: int, connect_timeout: int) -> None:
        await super().connect(uri, buffer_size, connect_timeout)
        self._offer_what_comes()

    async def connect_tls(
        self,
        uri: str | ParseResult,
        ssl_context: ssl.SSLContext,
        buffer_size: int,
        connect_timeout: int,
    ) -> None:
        await super().connect_tls(uri, ssl_context, buffer_size, connect_timeout)
        self._offer_what_comes()

    async def read(self, buffer_size: int) -> bytes:
        """What the parser has left."""
        self._is_waited_for = not self._parser.buf
        try:
            data: bytes = await super().read(buffer_size)
            return data
        finally:
            self._is_waited_for = False

    def _offer_what_comes(self) -> None:
        reader = self._io_reader
        assert isinstance(reader, asyncio.StreamReader)
        feed = reader.feed_data

        def feed_data(data: bytes) -> None:
            if self._is_waited_for:
                data = self._parser.take(data)
            if data:
                self._is_waited_for = False
                feed(data)

        reader.feed_data = feed_data  # type: ignore[method-assign, assignment]
