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
from .settings import PublicSettings

RETRY_AFTER_SECONDS: Final = 5

_open = Gauge("tminus_connections", "Open connections, viewers not included.")
_refused = Counter(
    "tminus_connections_refused_total", "Connections closed for a limit.", ["reason"]
)


class ConnectionLimit:
    """The connections of `server`; one over a limit is answered with an error and closed."""

    def __init__(self, server: web.Server, settings: PublicSettings, most: int) -> None:
        self._most = most
        self._most_per_address = settings.max_connections_per_address
        self._trusted = networks(settings.trusted_proxies)
        self._addresses: dict[RequestHandler, str] = {}
        self._by_address: Count[str] = Count()
        self._made, self._lost = server.connection_made, server.connection_lost
        # aiohttp has no hook for this, but all of its connections tell their server.
        server.connection_made = self._on_made  # type: ignore[method-assign]
        server.connection_lost = self._on_lost  # type: ignore[method-assign]

    def _on_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        self._made(handler, transport)
        address = peer_address(transport, self._trusted)
        if len(self._addresses) >= self._most:
            self._refuse(transport, HTTPStatus.SERVICE_UNAVAILABLE, "all")
        elif address and self._by_address[address] >= self._most_per_address:
            self._refuse(transport, HTTPStatus.TOO_MANY_REQUESTS, "address")
        else:
            self._addresses[handler] = address
            self._by_address[address] += 1
            _open.set(len(self._addresses))

    def _on_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        self._lost(handler, exc)
        address = self._addresses.pop(handler, None)
        if address is not None:
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]
            _open.set(len(self._addresses))

    def _refuse(self, transport: asyncio.Transport, status: HTTPStatus, reason: str) -> None:
        _refused.labels(reason).inc()
        # Once aiohttp's own task for the connection has begun: it does not expect an earlier end.
        asyncio.get_running_loop().call_soon(_close, transport, status)


def _close(transport: asyncio.Transport, status: HTTPStatus) -> None:
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}",
        f"Retry-After: {RETRY_AFTER_SECONDS}",
        "Content-Length: 0",
        "Connection: close",
    )
    transport.write("\r\n".join((*head, "", "")).encode())
    transport.close()
