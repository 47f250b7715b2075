"""How a service connects to NATS: to which servers, as whom, and by which of nats-py's options."""

import random
import ssl
from collections.abc import Awaitable, Callable

from runtime import tls
from runtime.settings import Settings, without_password

from .client import Client

RETRY_SECONDS = 0.2
PING_SECONDS = 2

Callback = Callable[[], Awaitable[None]]


class Dialer:
    """Connects a service's clients, by settings that may be renewed."""

    def __init__(self, settings: Settings, service: str) -> None:
        self._settings = settings
        self._service = service

    @property
    def url(self) -> str:
        """The servers' addresses, for people."""
        return without_password(self._settings.nats_url)

    def client(self) -> Client:
        """A client that is not connected yet."""
        return Client(self._context)

    async def connect(
        self,
        client: Client,
        *,
        error_cb: Callable[[Exception], Awaitable[None]],
        disconnected_cb: Callback,
        reconnected_cb: Callback,
        closed_cb: Callback,
    ) -> None:
        """Connect to any of the servers, and again whenever the connection is lost."""
        user, password = self._credentials()
        await client.connect(
            # Shuffled here and not by the client, which would do it again before it moves.
            servers=self._servers(),
            dont_randomize=True,
            name=self._service,
            user=user,
            password=password,
            inbox_prefix=f"_INBOX_{self._service}",
            connect_timeout=2,
            max_reconnect_attempts=-1,
            reconnect_time_wait=RETRY_SECONDS,  # type: ignore[arg-type]  # seconds, fractions too
            ping_interval=PING_SECONDS,
            max_outstanding_pings=2,
            # No buffer while the connection is lost: a publish that can't be sent fails at once.
            pending_size=0,
            error_cb=error_cb,
            disconnected_cb=disconnected_cb,
            reconnected_cb=reconnected_cb,
            closed_cb=closed_cb,
        )

    async def visit(self, client: Client, server: str) -> None:
        """Connect to this server only, and only once."""
        user, password = self._credentials()
        await client.connect(
            server,
            name=self._service,
            user=user,
            password=password,
            inbox_prefix=f"_INBOX_{self._service}",
            allow_reconnect=False,
            error_cb=_ignore,
        )

    def renew(self, settings: Settings, client: Client | None) -> None:
        """Use these credentials and servers from now on, and when `client` reconnects."""
        is_elsewhere = settings.nats_url != self._settings.nats_url
        self._settings = settings
        if client is not None and not client.is_closed:
            user, password = self._credentials()
            client.options.update(user=user, password=password)
            if is_elsewhere:
                client.set_server_pool(self._servers())

    def _context(self) -> ssl.SSLContext:
        return tls.client_context(self._settings)

    def _servers(self) -> list[str]:
        """The servers of the settings, in any order."""
        servers = [url.strip() for url in self._settings.nats_url.split(",")]
        return random.sample(servers, len(servers))

    def _credentials(self) -> tuple[str, str] | tuple[None, None]:
        """The user and the password: from the settings, or from the URL, or else the defaults of
        deploy/nats.conf on a laptop, the service's own name for both.

        A server without users accepts any.
        """
        settings = self._settings
        if "@" in settings.nats_url and not settings.nats_user:
            return None, None
        user = settings.nats_user or self._service
        return user, settings.nats_password or user


async def _ignore(_: Exception) -> None:
    """For a connection whose failure its opener handles."""
