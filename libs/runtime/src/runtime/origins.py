"""Which web pages may call us: our own, and those that the settings name."""

from typing import Final

from aiohttp import web

from .logs import logger
from .origin import of_host, parse, parse_all
from .settings import PublicSettings

log = logger(__name__)

_LOOPBACK: Final = {"localhost", "127.0.0.1", "[::1]"}


class Origins:
    """The pages that may call: those of the service's own host, and of ALLOWED_ORIGINS.

    In development also those of this machine and of the service's host on any port, since there the
    page and the sockets have different ports.
    """

    def __init__(self, settings: PublicSettings) -> None:
        self._allowed = parse_all(settings.allowed_origins)
        self._is_development = settings.app_env == "development"

    def admit(self, request: web.BaseRequest) -> bool:
        """Whether the page that sent `request` may call; one that may not is logged."""
        if self.include(request):
            return True
        log.warning(
            "refused a page of an origin that ALLOWED_ORIGINS does not name",
            origin=request.headers.get("Origin", ""),
            host=request.host,
        )
        return False

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


ORIGINS = web.AppKey("origins", Origins)
