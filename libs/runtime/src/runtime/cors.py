"""Lets pages of other origins read responses: the CORS protocol of the Fetch standard.

Only pages that may call anyway, and without credentials: nothing here depends on a cookie.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Final

from aiohttp import web

from .origins import ORIGINS

ALLOWED_HEADERS: Final = "Authorization, Content-Type, Idempotency-Key, Last-Event-ID"
EXPOSED_HEADERS: Final = "Retry-After"
MAX_AGE_SECONDS: Final = 600
"""How long a browser may reuse the answer to a preflight."""


def share(app: web.Application, prefix: str) -> None:
    """Mark every response to a path that begins with `prefix` as readable by pages that may call.

    `app[ORIGINS]` decides which those are.
    """

    async def mark(request: web.Request, response: web.StreamResponse) -> None:
        if not request.path.startswith(prefix):
            return
        # Also without an origin: a cache may keep the response for pages of any.
        response.headers.add("Vary", "Origin")
        origin = request.headers.get("Origin")
        if origin is not None and app[ORIGINS].include(request):
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = EXPOSED_HEADERS

    app.on_response_prepare.append(mark)


def with_preflights(routes: Iterable[web.RouteDef]) -> Iterator[web.RouteDef]:
    """`routes`, and one more for each path that answers a browser's `OPTIONS` there.

    It comes right behind the others, since aiohttp makes one resource of routes only then.
    """
    for path, routes_there in groupby(routes, lambda route: route.path):
        yield from routes_there
        yield web.options(path, _preflight)


async def _preflight(request: web.Request) -> web.Response:
    if not request.app[ORIGINS].admit(request):
        raise web.HTTPForbidden(text="this origin may not call\n")
    resource = request.match_info.route.resource
    methods = ", ".join(sorted({route.method for route in resource or []}))
    return web.Response(
        status=204,
        headers={
            "Allow": methods,
            "Access-Control-Allow-Methods": methods,
            "Access-Control-Allow-Headers": ALLOWED_HEADERS,
            "Access-Control-Max-Age": f"{MAX_AGE_SECONDS}",
        },
    )
