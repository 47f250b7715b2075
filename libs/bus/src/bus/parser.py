"""Reading what the NATS server sends, whatever bytes strangers have put into it.

The server separates the fields of a line by one space each and ends it with CR LF; a subject or a
reply may contain every byte but blanks (docs.nats.io, client protocol). nats-py also splits at form
feeds and vertical tabs, and it stops reading for good if it can't build a message from what it has
read. Here a line is split as the server joined it, and only a message that can't be read is lost.
"""

import asyncio
import json
import re
from typing import Final

from nats.errors import ProtocolError
from nats.protocol.parser import CRLF_SIZE
from nats.protocol.parser import Parser as NatsParser
from prometheus_client import Counter

from runtime.logs import logger

MAX_LINE_BYTES: Final = 1 << 20
"""No server sends a longer line; the longest is its INFO."""
TURN_MESSAGES: Final = 100
"""After so many messages in a row, the event loop runs other tasks."""

log = logger(__name__)

Message = tuple[int, bytes, bytes, bytes, bytes]
"""Its subscription, its subject, its reply subject, its block of headers, its payload."""

_MESSAGE = re.compile(rb"(?:MSG|(HMSG)) ([^ ]+) (\d+) (?:([^ ]+) )??(?(1)(\d+) |)(\d+)")

_unreadable = Counter("tminus_bus_unreadable_total", "Messages that the NATS client can't read.")


class Parser(NatsParser):
    """Parses what the server sends, in pieces of any size, for the client."""

    _parsed = 0
    """How many messages the task that reads has passed on: it may not wait between two reads."""

    def take(self, data: bytes) -> bytes:
        """Have the messages with which `data` begins handled, as long as their subscriptions are
        inline; returns the rest, for `parse`. Only for data that continues nothing: while `buf` is
        empty."""
        begin = messages = 0
        while begin < len(data) and messages < TURN_MESSAGES:
            message, end = _message(data, begin)
            if message is None or not self._take(message):
                break
            begin = end
            messages += 1
        return data[begin:]

    async def parse(self, data: bytes = b"") -> None:
        """Pass on all messages that `data` completes; raises ProtocolError if it is not NATS."""
        self.buf.extend(data)
        while (line_end := self.buf.find(b"\r\n")) >= 0:
            message, end = _message(self.buf, 0)
            if message is not None:
                del self.buf[:end]
                await self._on_message(message)
                self._parsed += 1
                if self._parsed % TURN_MESSAGES == 0:
                    await asyncio.sleep(0)
            elif end:
                return  # the rest of it is still to come
            else:
                line = bytes(self.buf[:line_end])
                del self.buf[: line_end + CRLF_SIZE]
                await self._on_control(*line.replace(b"\t", b" ").partition(b" "))
        if len(self.buf) > MAX_LINE_BYTES:
            raise ProtocolError("nats: a line without an end")

    async def _on_message(self, message: Message) -> None:
        if self._take(message):
            return
        sid, subject, reply, headers, payload = message
        try:
            await self.nc._process_msg(sid, subject, reply, payload, headers)
        except Exception as error:
            _report(error)

    def _take(self, message: Message) -> bool:
        """Have a message handled, if its subscription is inline; returns whether it is."""
        try:
            return bool(self.nc.take_inline(*message))
        except Exception as error:
            _report(error)
            return True

    async def _on_control(self, operation: bytes, _blank: bytes, rest: bytes) -> None:
        match operation.upper():
            case b"PING":
                await self.nc._process_ping()
            case b"PONG":
                await self.nc._process_pong()
            case b"-ERR":
                await self.nc._process_err(rest.decode(errors="replace").lower())
            case b"INFO":
                await self.nc._process_info(json.loads(rest))
            case b"+OK":
                pass
            case _:
                raise ProtocolError("nats: unknown protocol")


def _message(data: bytes | bytearray, begin: int) -> tuple[Message | None, int]:
    """The message at `begin`, and where it ends; None if it is not whole yet, and with it 0 if its
    line isn't, or if something else is there."""
    line = _MESSAGE.fullmatch(data, begin, data.find(b"\r\n", begin))
    if line is None:
        return None, 0
    _, subject, sid, reply, header_size, size = line.groups()
    start = line.end() + CRLF_SIZE
    body, end = start + int(header_size or 0), start + int(size)
    if len(data) < end + CRLF_SIZE:
        return None, end
    headers, payload = bytes(data[start:body]), bytes(data[body:end])
    return (int(sid), subject, reply or b"", headers, payload), end + CRLF_SIZE


def _report(error: Exception) -> None:
    _unreadable.inc()
    log.warning("a message can't be read", error=str(error) or type(error).__name__)
