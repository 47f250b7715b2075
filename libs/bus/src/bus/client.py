"""The NATS client of our services: nothing that strangers send can end it or be written by it."""

from nats.aio.client import DEFAULT_FLUSH_TIMEOUT
from nats.aio.client import Client as NatsClient
from nats.aio.msg import Msg
from nats.errors import MaxPayloadError, ProtocolError
from nats.js.api import Header
from prometheus_client import Counter

from runtime.logs import logger

from .parser import Parser

log = logger(__name__)

_refused = Counter("tminus_replies_refused_total", "Replies that were to go into a room's history.")


class Client(NatsClient):
    """Reads on whatever comes, and publishes on a room's events only what compares and sets.

    Whoever asks a service something names the subject of the reply, and the service publishes there
    by its own permissions: `nats pub --reply countdown.main.events scheduler.start` would have the
    scheduler write one `started` more. An append always names the entry it follows, a reply never.

    `_ps`, `_build_message`, `_process_headers` and `_read_loop` are not public in nats-py:
    tests/integration/test_poison.py fails loudly when they change.
    """

    def __init__(self) -> None:
        super().__init__()
        self._ps = Parser(self)

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
            log.warning("a reply was to go into a room's history", subject=subject)
            return
        if headers and len(payload) + _size(headers) > self.max_payload:
            # The server would end the connection; nats-py looks at the payload alone, and answers
            # the requests of `$SRV` with the headers that came with them.
            raise MaxPayloadError
        await super().publish(subject, payload, reply, headers)

    async def flush(self, timeout: int = DEFAULT_FLUSH_TIMEOUT) -> None:
        """Wait up to `timeout` seconds, twice at most, until the server has all that was sent.

        nats-py's ping overtakes what waits to be written, a subscription for instance. It has that
        written, too, so a second ping comes behind it.
        """
        await super().flush(timeout)
        await super().flush(timeout)

    def _build_message(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: dict[str, str] | None
    ) -> Msg:
        """The message; bytes that are not UTF-8 are replaced in its subject, and are no reply."""
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
        """The headers; none where the block can't be read."""
        try:
            return await super()._process_headers(headers)
        except (LookupError, ValueError):
            return None

    async def _read_loop(self) -> None:
        """Read until the connection ends; a reading that ends by itself ends the connection."""
        await super()._read_loop()
        if self.is_connected:
            await self._process_op_err(ProtocolError("nats: the reading ended"))


def _size(headers: dict[str, str]) -> int:
    """How many bytes the headers take on the wire, at most."""
    lines = sum(len(f"{name}: {value}\r\n".encode()) for name, value in headers.items())
    return len("NATS/1.0\r\n\r\n") + lines
