"""The NATS client of our services: strangers can neither end it nor have it write for them."""

import asyncio
import ssl
import time
from collections.abc import Callable
from contextlib import suppress

from nats.aio.client import DEFAULT_BUFFER_SIZE, DEFAULT_FLUSH_TIMEOUT, Srv
from nats.aio.client import Client as NatsClient
from nats.aio.msg import Msg
from nats.errors import Error, MaxPayloadError, NoRespondersError, ProtocolError
from nats.errors import TimeoutError as NatsTimeoutError
from nats.js.api import Header
from nats.protocol.command import pub_cmd, sub_cmd, unsub_cmd
from prometheus_client import Counter

from runtime.logs import logger

from .inbox import Inbox
from .inline import Handle, InlineSubscription
from .parser import Parser
from .transport import Transport

log = logger(__name__)

FORGET_SECONDS = 2.0
"""How long messages of a subscription that has ended may still be on their way."""

_refused = Counter(
    "tminus_replies_refused_total", "Replies to a room's events subject, not published."
)


class Client(NatsClient):
    """Keeps reading whatever arrives, and publishes to a room's events only with compare-and-set.

    A requester chooses the subject of the reply, and the service publishes there with its own
    permissions: `nats pub --reply countdown.main.events scheduler.start` would have the scheduler
    store another `started`. An append always has the expected sequence, a reply never has.

    What begins with `_` is not public in nats-py: test_client.py, test_parser.py, test_poison.py,
    test_feed.py and test_responder.py fail loudly when it changes.
    """

    def __init__(self, tls: Callable[[], ssl.SSLContext] = ssl.create_default_context) -> None:
        """Each connection over TLS gets a context from `tls`, so certificates may be renewed."""
        super().__init__()
        self._ps: Parser = Parser(self)
        self._tls = tls
        self._inbox: Inbox | None = None

    @property
    def ssl_context(self) -> ssl.SSLContext:
        """For the connection that is being made; raises Error if its files can't be used."""
        try:
            return self._tls()
        except OSError as error:
            raise Error(f"the files of NATS_TLS_… can't be used: {error}") from None

    async def publish(
        self,
        subject: str,
        payload: bytes = b"",
        reply: str = "",
        headers: dict[str, str] | None = None,
    ) -> None:
        is_history = subject.startswith("countdown.") and subject.endswith(".events")
        if is_history and Header.EXPECTED_LAST_SUBJECT_SEQUENCE not in (headers or {}):
            _refused.inc()
            log.warning("refused to publish a reply to an events subject", subject=subject)
            return
        if headers and len(payload) + _size(headers) > self.max_payload:
            # The server would close the connection; nats-py checks only the payload, and answers
            # `$SRV` requests with the headers of the request.
            raise MaxPayloadError
        await super().publish(subject, payload, reply, headers)

    def publish_soon(self, subject: str, payload: bytes, reply: str) -> None:
        """Publish without waiting for anything; only for what we send to the server itself."""
        self._send_soon(pub_cmd(subject, reply, payload))

    def subscribe_inline(
        self, subject: str, handle: Handle, *, queue: str = "", limit: int = 0
    ) -> InlineSubscription:
        """Have `handle` called with each message, or with the next `limit`, as soon as it is
        read; of a `queue` group one member gets each."""
        self._sid += 1
        subscription = InlineSubscription(
            self, self._sid, subject, handle, queue=queue, limit=limit
        )
        self._subs[self._sid] = subscription
        command = sub_cmd(subject, queue, self._sid)
        self._send_soon(command + unsub_cmd(self._sid, limit) if limit else command)
        return subscription

    def unsubscribe_soon(self, subscription: InlineSubscription) -> None:
        """Receive no more of a subscription, without waiting for anything; what the server has sent
        already, or sends within FORGET_SECONDS, is still handled."""
        if self._subs.get(subscription._id) is subscription:
            self._send_soon(unsub_cmd(subscription._id, 0))
            asyncio.get_running_loop().call_later(FORGET_SECONDS, self._forget, subscription)

    def _forget(self, subscription: InlineSubscription) -> None:
        if self._subs.get(subscription._id) is subscription:
            del self._subs[subscription._id]

    def _send_soon(self, command: bytes) -> None:
        transport = self._transport
        # That of a WebSocket would only queue it.
        if self.is_connected and not self._pending and isinstance(transport, Transport):
            with suppress(RuntimeError):  # it is closing
                transport.write(command)  # type: ignore[no-untyped-call]
                return
        self._pending.append(command)
        self._pending_data_size += len(command)
        if self._flush_queue is not None and self._flush_queue.empty():
            self._flush_queue.put_nowait(asyncio.get_running_loop().create_future())

    @property
    def inbox(self) -> Inbox:
        """Where replies arrive."""
        if self._inbox is None:
            prefix = self.new_inbox() + "."
            self._inbox = Inbox(prefix)
            self.subscribe_inline(prefix + "*", self._inbox.on_reply)
        return self._inbox

    async def request(
        self,
        subject: str,
        payload: bytes = b"",
        timeout: float = 0.5,
        old_style: bool = False,
        headers: dict[str, str] | None = None,
    ) -> Msg:
        """Publish a request, and wait up to `timeout` seconds for the reply."""
        replied: asyncio.Future[tuple[bytes, bytes]] = asyncio.get_running_loop().create_future()

        def take(headers: bytes, data: bytes) -> None:
            if not replied.done():
                replied.set_result((headers, data))

        reply = self.inbox.expect(take)
        try:
            await self.publish(subject, payload, reply, headers)
            async with asyncio.timeout(timeout):
                block, data = await replied
        except TimeoutError:
            raise NatsTimeoutError from None
        finally:
            self.inbox.forget(reply)
        found = await self._process_headers(block)
        if found and found.get(Header.STATUS) == "503":
            raise NoRespondersError
        return Msg(_client=self, subject=reply, data=data, headers=found)

    async def flush(self, timeout: int = DEFAULT_FLUSH_TIMEOUT) -> None:
        """Wait up to `timeout` seconds, twice at most, until the server has all that was sent.

        nats-py's ping overtakes pending writes, a subscription for instance. It flushes those, too,
        so a second ping comes after them.
        """
        await super().flush(timeout)
        await super().flush(timeout)

    async def _connect_to_server(self, s: Srv) -> None:
        """Connect, by a transport of ours unless it is a WebSocket."""
        self._ps.reset()  # nats-py may have parsed what was left of the connection before
        if s.uri.scheme in ("ws", "wss"):
            await super()._connect_to_server(s)
            return
        s.last_attempt = time.monotonic()
        if self._transport is not None:
            self._transport.close()  # type: ignore[no-untyped-call]
        self._transport = Transport(self._ps)
        timeout = self.options["connect_timeout"]
        await self._transport.connect(s.uri, DEFAULT_BUFFER_SIZE, timeout)

    async def _process_connect_init(self) -> None:
        """Shake hands; a server that wants another certificate only ends the connection."""
        try:
            await super()._process_connect_init()
        except ssl.SSLCertVerificationError:
            # The connection is over, and nats-py would wait for its end for ever.
            self._transport = None
            raise
        except (ConnectionError, ssl.SSLError):
            if not self._server_info.get("tls_verify"):
                raise
            raise Error(
                "the server asks for a certificate: that of NATS_TLS_CERT is missing or refused"
            ) from None

    def _connect_command(self) -> bytes:
        """What tells the server who connects; nats-py would send it unencrypted to a server that
        does not ask for TLS, whatever the URL says."""
        is_asked_for = self._current_server is not None and self._current_server.uri.scheme == "tls"
        if is_asked_for and not self._server_info.get("tls_required"):
            raise Error("the server does not speak TLS")
        command: bytes = super()._connect_command()
        return command

    def take_inline(
        self, sid: int, subject: bytes, reply: bytes, headers: bytes, payload: bytes
    ) -> bool:
        """Have a message of an inline subscription handled; returns whether it is one."""
        subscription = self._subs.get(sid)
        if not isinstance(subscription, InlineSubscription):
            return False
        subscription.take(subject, reply, headers, payload)
        return True

    async def message(self, subject: bytes, reply: bytes, headers: bytes, payload: bytes) -> Msg:
        """The message of an inline subscription, for whoever wants it as nats-py has it."""
        return self._build_message(0, subject, reply, payload, await self._process_headers(headers))

    async def report(self, error: Exception) -> None:
        """Report an error of a handler, as nats-py does."""
        await self._error_cb(error)

    def _build_message(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: dict[str, str] | None
    ) -> Msg:
        """The message; invalid UTF-8 is replaced in its subject, and makes its reply empty."""
        try:
            reply_subject = reply.decode()
        except UnicodeDecodeError:
            reply_subject = ""
        return Msg(
            _client=self,
            subject=subject.decode(errors="replace"),
            reply=reply_subject,
            data=data,
            headers=headers,
            _sid=sid,
        )

    async def _process_headers(self, headers: bytes) -> dict[str, str] | None:
        """The headers; None if the block can't be read."""
        try:
            return await super()._process_headers(headers)
        except (LookupError, ValueError):
            return None

    async def _read_loop(self) -> None:
        """Read until the connection ends; if reading ends by itself, end the connection."""
        await super()._read_loop()
        if self.is_connected:
            await self._process_op_err(ProtocolError("nats: reading ended"))


def _size(headers: dict[str, str]) -> int:
    """The most bytes that the headers take in the protocol."""
    lines = sum(len(f"{name}: {value}\r\n".encode()) for name, value in headers.items())
    return len("NATS/1.0\r\n\r\n") + lines
