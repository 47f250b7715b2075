"""Which web pages may call us: our own, and those that the settings name."""

import time
from collections.abc import Callable
from typing import Final

from aiohttp import web

from .logs import logger
from .origin import of_host, parse, parse_all
from .settings import PublicSettings

log = logger(__name__)

LOG_SECONDS: Final = 10.0
"""Refusals are logged at most once in so many seconds, since anybody can cause them."""

_LOOPBACK = {"localhost", "127.0.0.1", "[::1]"}


class Origins:
    """The pages that may call: those of the service's own host, and of ALLOWED_ORIGINS.

    In development also those of this machine and of the service's host on any port, since there the
    page and the sockets have different ports.
    """

    def __init__(
        self, settings: PublicSettings, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`clock` is in seconds."""
        self._allowed = parse_all(settings.allowed_origins)
        self._is_development = settings.app_env == "development"
        self._clock = clock
        self._logged_at = clock() - LOG_SECONDS
        self._unlogged = 0

    def admit(self, request: web.BaseRequest) -> bool:
        """Whether the page that sent `request` may call; one that may not is logged."""
        is_admitted = self.include(request)
        if not is_admitted:
            self._log(request)
        return is_admitted

    def include(self, request: web.BaseRequest) -> bool:
        """Whether the page that sent `request` may call; programs, which send no Origin, always
        may."""
        text = request.headers.get("Origin")
        if text is None or self._allowed is None:
            return True
        try:
            origin = parse(text)
        except ValueError:
            return False
        if origin in self._allowed:
            return True
        # The edge may have ended TLS, so only the page knows the scheme, and so the default port.
        own = of_host(request.host, origin.scheme)
        if self._is_development and origin.host in _LOOPBACK:
            return True
        if own is None:
            return False
        return origin.host == own.host if self._is_development else origin == own

    def _log(self, request: web.BaseRequest) -> None:
        now = self._clock()
        if now - self._logged_at < LOG_SECONDS:
            self._unlogged += 1
            return
        log.warning(
            "refused a page of an origin that ALLOWED_ORIGINS does not name",
            origin=request.headers.get("Origin", "")[:100],
            host=request.host[:100],
            refused_since_last_line=self._unlogged,
        )
        self._logged_at, self._unlogged = now, 0


ORIGINS = web.AppKey("origins", Origins)
