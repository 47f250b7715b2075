"""A stranger on the bus who writes its protocol by hand, so that any byte can be anywhere."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

SEPARATORS = b" \t\r\n"
"""The bytes that end a word for the server: within a subject they would start the next field."""
ANSWER_SECONDS = 10.0
CONNECT = b'CONNECT {"verbose":true,"pedantic":false,"headers":true,"protocol":1}\r\n'
"""Without a user's name it is one of the people; verbose requests an answer to each message."""


@dataclass(frozen=True)
class Publication:
    """A message as unchecked bytes; `headers` is None for a message without a header block."""

    subject: bytes
    reply: bytes = b""
    headers: bytes | None = None
    payload: bytes = b""

    def encoded(self) -> bytes:
        """PUB or HPUB, as in the description of the client protocol at docs.nats.io."""
        words = [self.subject, *([self.reply] if self.reply else [])]
        block = self.headers or b""
        sizes = [len(block + self.payload)]
        if self.headers is not None:
            sizes = [len(block), *sizes]
        words = [b"PUB" if self.headers is None else b"HPUB", *words]
        line = b" ".join([*words, *(b"%d" % size for size in sizes)])
        return line + b"\r\n" + block + self.payload + b"\r\n"


@dataclass
class Stranger:
    """Publishes over one connection, and over another when the server has ended it."""

    port: int
    accepted: int = 0
    """Messages that the server accepted."""
    refused: int = 0
    """Messages that it did not: no permission, or not valid."""
    _connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = field(
        default=None, repr=False
    )

    async def publish(self, publications: Sequence[Publication]) -> None:
        """Send all at once; returns when the server has answered for each."""
        left = list(publications)
        while left:
            reader, writer = await self._connected()
            writer.write(b"".join(one.encoded() for one in left))
            answered, is_open = await self._answers(reader, writer, len(left))
            if not is_open:
                # The first one without an answer made the server close the connection.
                self.refused += answered < len(left)
                answered += 1
                await self.close()
            left = left[answered:]

    async def close(self) -> None:
        if self._connection is not None:
            _, writer = self._connection
            self._connection = None
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._connection is None:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            await reader.readline()  # INFO
            writer.write(CONNECT)
            await reader.readline()
            self._connection = reader, writer
        return self._connection

    async def _answers(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, owed: int
    ) -> tuple[int, bool]:
        """How many were answered, and whether the connection is still open."""
        answered = 0
        async with asyncio.timeout(ANSWER_SECONDS):
            while answered < owed:
                try:
                    line = await reader.readline()
                except OSError:
                    line = b""
                if not line:
                    return answered, False
                if line.startswith(b"+OK"):
                    self.accepted += 1
                elif line.startswith(b"-ERR"):
                    self.refused += 1
                else:
                    if line.startswith(b"PING"):
                        writer.write(b"PONG\r\n")
                    continue
                answered += 1
        return answered, True


@asynccontextmanager
async def stranger(port: int) -> AsyncIterator[Stranger]:
    """A client without a name or a password on the bus at `port`."""
    who = Stranger(port)
    try:
        yield who
    finally:
        await who.close()
