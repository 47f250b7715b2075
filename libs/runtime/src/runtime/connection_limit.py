"""A bound for a server's open connections, in all and for each address.

A connection counts until it is closed or, at a coordinator, becomes a viewer's. Those of trusted
proxies carry many clients' requests, so no limit by address applies to them.
"""

import asyncio
from collections import Counter as Count
from http import HTTPStatus
from typing import Final

from aiohttp import web
from aiohttp.web_protocol import RequestHandler
from prometheus_client import Counter, Gauge

from .client_address import networks, peer_address
from .metrics import from_zero
from .settings import PublicSettings

RETRY_AFTER_SECONDS: Final = 5

_open = Gauge("tminus_connections", "Open connections, viewers not included.")
_refused = from_zero(
    Counter("tminus_connections_refused_total", "Connections closed for a limit.", ["reason"]),
    *("address", "all", "tls_address", "tls_all"),
)


class ConnectionLimit:
    """The connections of `server`; one over a limit is answered with an error and closed."""

    def __init__(self, server: web.Server, settings: PublicSettings, most: int) -> None:
        self._most = most
        self._most_per_address = settings.max_connections_per_address
        self._trusted = networks(settings.trusted_proxies)
        self._places: dict[object, tuple[str, str]] = {}
        self._by_address: Count[tuple[str, str]] = Count()
        _open.set_function(self._places.__len__)
        self._made, self._lost = server.connection_made, server.connection_lost
        # aiohttp has no hook for this, but all of its connections tell their server.
        server.connection_made = self._on_made  # type: ignore[method-assign]
        server.connection_lost = self._on_lost  # type: ignore[method-assign]

    def take(self, key: object, peer: object, kind: str = "") -> HTTPStatus | None:
        """Count a connection until `give_back`; or returns with which status to refuse it.

        `peer` is the address at its other end, as sockets name it.

        An address may have as many of each kind; in all they are bounded together.
        """
        place = kind, peer_address(peer, self._trusted)
        if len(self._places) >= self._most:
            _refused.labels(f"{kind}all").inc()
            return HTTPStatus.SERVICE_UNAVAILABLE
        if place[1] and self._by_address[place] >= self._most_per_address:
            _refused.labels(f"{kind}address").inc()
            return HTTPStatus.TOO_MANY_REQUESTS
        self._places[key] = place
        self._by_address[place] += 1
        return None

    def give_back(self, key: object) -> None:
        """The connection is closed, or is something else from now on."""
        place = self._places.pop(key, None)
        if place is not None:
            self._by_address[place] -= 1
            if not self._by_address[place]:
                del self._by_address[place]

    def _on_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        self._made(handler, transport)
        status = self.take(handler, transport.get_extra_info("peername"))
        if status is not None:
            # Once aiohttp's own task for the connection has begun: it does not expect an earlier
            # end.
            asyncio.get_running_loop().call_soon(_close, transport, status)

    def _on_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        self._lost(handler, exc)
        self.give_back(handler)


def _close(transport: asyncio.Transport, status: HTTPStatus) -> None:
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}",
        f"Retry-After: {RETRY_AFTER_SECONDS}",
        "Content-Length: 0",
        "Connection: close",
    )
    transport.write("\r\n".join((*head, "", "")).encode())
    transport.close()
