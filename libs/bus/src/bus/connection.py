"""The connection to NATS: opened in the background, kept open for ever, and requests over it."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Never

import nats.errors
from aiohttp import web
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from prometheus_client import Counter, Gauge

from runtime import telemetry
from runtime.background import background
from runtime.clock import whole_now_ms
from runtime.health import CHECKS
from runtime.logs import logger
from runtime.renewal import on_renewal
from runtime.settings import Settings

from .client import Client
from .dialer import RETRY_SECONDS, Dialer
from .errors import BusError, BusUnavailable, ServiceError, bus_errors, words
from .reports import Reports

if TYPE_CHECKING:
    from .tracing import Tracing

log = logger(__name__)

CONNECT_SECONDS = 3.0
VISIT_SECONDS = 1.0
API_SECONDS = 2.0

_CUT = (nats.errors.StaleConnectionError, ConnectionResetError, BrokenPipeError, ssl.SSLError)
_BROKEN = "broken"
"""The kind of every broken connection; each error that a server sends is a kind of its own."""

ANSWER_BY = "Answer-By"
"""The header of a request: until when its caller waits, in ms since the Unix epoch."""
RETRY_AFTER = "Retry-After"
"""The header of an error reply: in how many seconds to try again, as in HTTP."""

_is_connected = Gauge("tminus_bus_connected", "1 while the service is connected to NATS.")
_has_quorum = Gauge(
    "tminus_bus_quorum", "1 while the stream's leader has a quorum, as far as is known here."
)
_errors = Counter("tminus_bus_errors_total", "Errors that the NATS client reported.")


class Bus:
    """One service's connection to NATS.

    nats-py reconnects by itself, but closes a client for good on several errors of the server
    (a refused password, for one). So a client can be replaced: get `client` again for each use, and
    subscribe again when `connected()` returns another one.
    """

    def __init__(self, settings: Settings, service: str) -> None:
        self._dialer = Dialer(settings, service)
        self._client: Client | None = None
        self._jetstream: JetStreamContext | None = None
        self._moved = asyncio.Event()
        """Set when the client may be connected, closed or replaced: waiters check again."""
        self._reason = "not connected yet"
        self.no_quorum = ""
        """Why what the stream answers over this connection may be out of date; see `bus.quorum`."""
        self.reports = Reports()
        self.tracing = _tracing()
        """None if there are no traces; OpenTelemetry is not even imported then."""
        self._told: set[str] = set()
        """The kinds of reasons logged since the last connection."""
        _has_quorum.set_function(lambda: not self.no_quorum)
        self.on_disconnect: list[Callable[[], None]] = []

    @property
    def is_connected(self) -> bool:
        """Whether the client is connected."""
        return self._client is not None and self._client.is_connected

    @property
    def client(self) -> Client:
        """The connected client; raises BusUnavailable if there is none."""
        if self._client is None or not self._client.is_connected:
            raise BusUnavailable(f"no connection to NATS: {self._reason}")
        return self._client

    @property
    def jetstream(self) -> JetStreamContext:
        """JetStream over the connected client; raises BusUnavailable if there is none."""
        client = self.client
        if self._jetstream is None:
            self._jetstream = client.jetstream(timeout=API_SECONDS)
        return self._jetstream

    def check(self) -> str | None:
        """For `/readyz`."""
        if not self.is_connected:
            return f"no connection to NATS: {self._reason}"
        return self.no_quorum or None

    async def connected(self) -> Client:
        """Wait until the client is connected, and return it."""
        while not self.is_connected:
            await self._move()
        return self.client

    async def closed(self, client: Client) -> None:
        """Wait until `client` is closed for good and will be replaced."""
        while client is self._client and not client.is_closed:
            await self._move()

    async def _move(self) -> None:
        # Cleared first, so that this always yields to the event loop.
        self._moved.clear()
        await self._moved.wait()

    async def request(
        self, subject: str, payload: bytes, timeout: float, headers: dict[str, str] | None = None
    ) -> Msg:
        """Publish to `subject` and wait for the reply; `timeout` is in seconds.

        Raises NoResponders, BusTimeout or BusUnavailable.
        """
        with bus_errors(subject):
            return await self.client.request(subject, payload, timeout=timeout, headers=headers)

    async def ask(self, subject: str, payload: bytes, timeout: float) -> bytes:
        """Send a request to a service, which does nothing once `timeout` seconds are over.

        Raises ServiceError, NoResponders, BusTimeout or BusUnavailable.
        """
        headers = {ANSWER_BY: str(whole_now_ms() + int(timeout * 1000))}
        with self.tracing.asking(subject, headers) if self.tracing else nullcontext():
            return await self._ask(subject, payload, timeout, headers)

    async def _ask(
        self, subject: str, payload: bytes, timeout: float, asked: dict[str, str]
    ) -> bytes:
        reply = await self.request(subject, payload, timeout, asked)
        headers = reply.headers or {}
        if code := headers.get("Nats-Service-Error-Code"):
            description = headers.get("Nats-Service-Error", "")
            retry_after = headers.get(RETRY_AFTER, "")
            raise ServiceError(
                int(code) if code.isdigit() else 500,
                description,
                reply.data,
                int(retry_after) if retry_after.isdecimal() else None,
            )
        return reply.data

    async def run(self) -> Never:
        """Connect, and once a client is closed for good, connect again; for ever."""
        while True:
            client = self._dialer.client()
            try:
                with bus_errors("connecting"):
                    async with asyncio.timeout(CONNECT_SECONDS):
                        await self._dialer.connect(
                            client,
                            error_cb=self._on_error,
                            disconnected_cb=self._on_disconnected,
                            reconnected_cb=self._on_connected,
                            closed_cb=self._on_closed,
                        )
            except BusError:
                # The error callback has logged the reason.
                await _close(client)
                await asyncio.sleep(RETRY_SECONDS)
                continue
            self._client = client
            await self._on_connected()
            try:
                await self.closed(client)
            finally:
                self._client = self._jetstream = None
                self._moved.set()
                _is_connected.set(0)
                await _close(client)

    def renew(self, settings: Settings) -> None:
        """Use these credentials and servers for the connections that follow."""
        self._dialer.renew(settings, self._client)

    async def move_to(self, server: str) -> None:
        """Connect to another of the client's servers, given by its URL; raises BusUnavailable."""
        client = self.client
        others = [url for one in client.servers if (url := one.geturl()) != server]
        client.set_server_pool([server, *others])
        await client.force_reconnect()

    @asynccontextmanager
    async def visiting(self, server: str) -> AsyncIterator[Client]:
        """A second connection, to this server only, to ask it something; raises BusError."""
        client = self._dialer.client()
        try:
            with bus_errors("connecting"):
                async with asyncio.timeout(VISIT_SECONDS):
                    await self._dialer.visit(client, server)
            yield client
        finally:
            await _close(client)

    async def _on_connected(self) -> None:
        self._reason = ""
        self._moved.set()
        _is_connected.set(1)
        self._told.clear()
        log.info("connected to NATS", url=self._dialer.url)

    async def _on_disconnected(self) -> None:
        _is_connected.set(0)
        if self._client is not None:
            self._say("connection lost", _BROKEN)
            for callback in self.on_disconnect:
                callback()

    async def _on_closed(self) -> None:
        self._moved.set()

    async def _on_error(self, error: Exception) -> None:
        _errors.inc()
        is_refusal = isinstance(error, ssl.SSLCertVerificationError)
        is_cut = isinstance(error, _CUT) and not is_refusal
        is_broken = is_cut or (isinstance(error, OSError) and not is_refusal)
        if not self.is_connected:
            if is_cut and self._told:
                return  # as after a refused password: the cut itself has no reason
            self._say(words(error), _BROKEN if is_broken else words(error))
        elif not is_broken:  # else the client reports at once that it is disconnected
            log.warning("NATS reported an error", error=words(error))

    def _say(self, reason: str, kind: str) -> None:
        """Log why there is no connection, each kind of reason once: they may alternate for ever, if
        one of several servers is down and another one refuses the password.
        """
        self._reason = reason
        if kind not in self._told:
            self._told.add(kind)
            log.warning("no connection to NATS", reason=reason, url=self._dialer.url)


BUS = web.AppKey("bus", Bus)


def connection(
    settings: Settings, service: str
) -> Callable[[web.Application], AbstractAsyncContextManager[None]]:
    """The cleanup context that gives a service its `app[BUS]`."""

    @asynccontextmanager
    async def context(app: web.Application) -> AsyncIterator[None]:
        app[BUS] = Bus(settings, service)
        app[CHECKS].append(app[BUS].check)
        on_renewal(app, Settings, app[BUS].renew)
        async with background(app[BUS].run()):
            yield

    return context


def _tracing() -> "Tracing | None":
    if not telemetry.is_on():
        return None
    from .tracing import Tracing

    return Tracing()


async def _close(client: Client) -> None:
    # Closing flushes first, which can fail in many ways, or hang if the server is gone.
    with suppress(BusError), bus_errors("closing"):
        async with asyncio.timeout(1.0):
            await client.close()
