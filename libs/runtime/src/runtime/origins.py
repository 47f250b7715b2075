"""Which web pages may call us: our own, and those that the settings name."""

from urllib.parse import urlsplit

from aiohttp import web

from .settings import PublicSettings

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def is_allowed(request: web.BaseRequest, settings: PublicSettings) -> bool:
    """Whether the page that sent `request` may call; programs, which send no Origin, always may.

    A page of the same host may, and in development any page of this machine, since there the page
    and the sockets have different ports.
    """
    origin = request.headers.get("Origin")
    if origin is None:
        return True
    allowed = {text.strip().rstrip("/").lower() for text in settings.allowed_origins.split(",")}
    if "*" in allowed or origin in allowed:
        return True
    try:
        parts = urlsplit(origin)
        host = parts.hostname
    except ValueError:
        return False
    if parts.netloc and parts.netloc == request.host:
        return True
    return settings.app_env == "development" and host in _LOOPBACK
