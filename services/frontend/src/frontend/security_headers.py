"""The security headers of every response."""

import secrets
from collections.abc import MutableMapping

from aiohttp import web
from aiohttp.typedefs import Handler

from .settings import PLAIN_HOST, SETTINGS, Settings

NONCE = web.RequestKey("nonce", str)
"""The request's nonce, for its page's one inline style."""


@web.middleware
async def secure(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Add the security headers to the response."""
    request[NONCE] = secrets.token_urlsafe(16)
    try:
        response = await handler(request)
    except web.HTTPException as redirect:
        _add(request, redirect.headers)
        raise
    _add(request, response.headers)
    return response


def _add(request: web.Request, headers: MutableMapping[str, str]) -> None:
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Referrer-Policy", "same-origin")
    headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    headers.setdefault("Content-Security-Policy", _policy(request))


def _policy(request: web.Request) -> str:
    settings = request.app[SETTINGS]
    return "; ".join(
        [
            "default-src 'none'",
            "script-src 'self'",
            f"style-src 'self' 'nonce-{request[NONCE]}'",
            "img-src 'self'",
            " ".join(["connect-src 'self'", *_sockets(settings, request.host)]),
            "form-action 'self'",
            "base-uri 'none'",
            " ".join(["frame-ancestors 'self'", *settings.frame_sources]),
        ]
    )


def _sockets(settings: Settings, page_host: str) -> list[str]:
    """Where the page may connect to besides its own origin."""
    # In older browsers 'self' does not include the page's own sockets, so its host is listed.
    hosts = settings.socket_hosts(page_host) or [page_host]
    schemes = ("ws:", "wss:", "http:", "https:")
    if any(host.startswith("[") for host in hosts):
        return list(schemes)  # a policy can't name an IPv6 address (CSP 3, 2.3.1)
    return [
        f"{scheme}//{host}" for host in hosts if PLAIN_HOST.fullmatch(host) for scheme in schemes
    ]
