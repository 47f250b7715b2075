"""Every service's endpoints for operators: is it alive, is it ready, its metrics."""

from collections.abc import Callable

from aiohttp import web

from . import metrics

Check = Callable[[], str | None]
"""Returns the reason, in words, why the service can't do its job now; None if it can."""

CHECKS: web.AppKey[list[Check]] = web.AppKey("checks", list)


def routes(app: web.Application) -> list[web.RouteDef]:
    """`/healthz`, `/readyz` and `/metrics`; `app[CHECKS]` decides what ready means."""
    app[CHECKS] = []
    return [
        web.get("/healthz", _healthz),
        web.get("/readyz", _readyz),
        web.get("/metrics", metrics.serve),
    ]


async def _healthz(_: web.Request) -> web.Response:
    return web.json_response({"alive": True})


async def _readyz(request: web.Request) -> web.Response:
    reasons = [reason for check in request.app[CHECKS] if (reason := check())]
    if reasons:
        return web.json_response({"ready": False, "reason": "; ".join(reasons)}, status=503)
    return web.json_response({"ready": True})
