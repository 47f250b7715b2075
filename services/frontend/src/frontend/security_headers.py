"""The security headers of every response."""

import re
import secrets
from collections.abc import MutableMapping

from aiohttp import web
from aiohttp.typedefs import Handler

from .settings import SETTINGS

PLAIN_HOST = re.compile(r"([A-Za-z0-9._-]{1,253}|\[[0-9a-fA-F:]{1,39}\])(:\d{1,5})?")
"""A valid Host header."""
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
    # In older browsers 'self' does not include the page's own sockets, so its host is listed.
    hosts = request.app[SETTINGS].socket_hosts or [request.host]
    sockets = [
        f"{scheme}://{host}"
        for host in hosts
        if PLAIN_HOST.fullmatch(host)
        for scheme in ("ws", "wss", "http", "https")
    ]
    return "; ".join(
        [
            "default-src 'none'",
            "script-src 'self'",
            f"style-src 'self' 'nonce-{request[NONCE]}'",
            "img-src 'self'",
            " ".join(["connect-src 'self'", *sockets]),
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'self'",
        ]
    )
