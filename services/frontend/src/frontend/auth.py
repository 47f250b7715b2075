"""Access control: pages of other sites may change nothing, and a control token may be required."""

import hmac

from aiohttp import web
from aiohttp.typedefs import Handler

from runtime.origins import ORIGINS

from .problem import Problem
from .settings import SETTINGS

_SAFE = {"GET", "HEAD", "OPTIONS"}


@web.middleware
async def same_site(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse requests that a page of another site sends from its visitor's browser."""
    if request.method not in _SAFE and not _is_welcome(request):
        raise Problem(403, "Pages of other sites may not control this one.")
    return await handler(request)


def check_token(request: web.Request, given: str) -> None:
    """Refuse a request without the control token, if one is set."""
    token = request.app[SETTINGS].control_token
    # A header may hold bytes that are not UTF-8.
    if token and not hmac.compare_digest(token.encode(), given.encode(errors="surrogatepass")):
        raise Problem(401, "Controlling this room needs the control token.", field="token")


def bearer(request: web.Request) -> str:
    """The token of the Authorization header; empty if there is none."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _is_welcome(request: web.Request) -> bool:
    if "Origin" not in request.headers:
        # Every current browser sends Origin with a POST; older ones may send only this header.
        return request.headers.get("Sec-Fetch-Site") != "cross-site"
    return request.app[ORIGINS].admit(request)
