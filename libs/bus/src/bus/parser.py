"""Reading what the NATS server sends, whatever bytes strangers have put into it.

The server separates the fields of a line by spaces and tabs and ends it with CR LF; a subject or a
reply may contain every other byte (docs.nats.io, client protocol). nats-py also splits at form
feeds and vertical tabs, and it stops reading for good if it can't build a message from what it has
read. Here a line is split as the server splits it, and only a message that can't be read is lost.
"""

import asyncio
import json

from nats.errors import ProtocolError
from nats.protocol.parser import AWAITING_CONTROL_LINE, AWAITING_MSG_PAYLOAD, CRLF_SIZE
from nats.protocol.parser import Parser as NatsParser
from prometheus_client import Counter

MAX_LINE_BYTES = 1 << 20
"""No server sends a longer line; the longest is its INFO."""
TURN_MESSAGES = 100
"""After so many messages in a row, the event loop runs other tasks."""

_unreadable = Counter("tminus_bus_unreadable_total", "Messages that the NATS client can't read.")


class Parser(NatsParser):
    """Parses what the server sends, in pieces of any size, for the client."""

    async def parse(self, data: bytes = b"") -> None:
        """Pass on all messages that `data` completes; raises ProtocolError if it is not NATS."""
        self.buf.extend(data)
        messages = 0
        while self.buf:
            if self.state == AWAITING_CONTROL_LINE:
                end = self.buf.find(b"\r\n")
                if end < 0 and len(self.buf) > MAX_LINE_BYTES:
                    raise ProtocolError("nats: a line without an end")
                if end < 0:
                    return
                line = bytes(self.buf[:end])
                del self.buf[: end + CRLF_SIZE]
                operation, *fields = [
                    field for field in line.replace(b"\t", b" ").split(b" ") if field
                ]
                match operation.upper():
                    case b"MSG":
                        self._expect(fields[:-1], b"0", fields[-1])
                    case b"HMSG":
                        self._expect(fields[:-2], *fields[-2:])
                    case other:
                        await self._on_control(other, fields)
            elif len(self.buf) >= self.needed + CRLF_SIZE:
                await self._on_payload()
                messages += 1
                if messages % TURN_MESSAGES == 0:
                    await asyncio.sleep(0)
            else:
                return

    async def _on_control(self, operation: bytes, fields: list[bytes]) -> None:
        match operation:
            case b"PING":
                await self.nc._process_ping()
            case b"PONG":
                await self.nc._process_pong()
            case b"-ERR":
                await self.nc._process_err(b" ".join(fields).decode(errors="replace").lower())
            case b"INFO":
                await self.nc._process_info(json.loads(b" ".join(fields)))
            case b"+OK":
                pass
            case _:
                raise ProtocolError("nats: unknown protocol")

    def _expect(self, address: list[bytes], header_size: bytes, size: bytes) -> None:
        """A message follows; `address` is its subject, its subscription, and perhaps its reply."""
        subject, subscription, *reply = address
        self.msg_arg["subject"], self.msg_arg["sid"] = subject, int(subscription)
        self.msg_arg["reply"] = b"".join(reply)
        self.header_needed, self.needed = int(header_size), int(size)
        self.state = AWAITING_MSG_PAYLOAD

    async def _on_payload(self) -> None:
        headers = bytes(self.buf[: self.header_needed])
        payload = bytes(self.buf[self.header_needed : self.needed])
        del self.buf[: self.needed + CRLF_SIZE]
        self.state, self.header_needed = AWAITING_CONTROL_LINE, 0
        to = self.msg_arg
        sid, subject, reply = to["sid"], to["subject"], to["reply"]
        try:
            if not self.nc.take_inline(sid, subject, reply, headers, payload):
                await self.nc._process_msg(sid, subject, reply, payload, headers)
        except Exception as error:
            _unreadable.inc()
            await self.nc._error_cb(error)
