"""Every service's endpoints for operators: is it alive, is it ready, its metrics."""

from collections.abc import Callable

from aiohttp import web
from prometheus_client import Gauge

from . import metrics

Check = Callable[[], str | None]
"""Returns the reason, in words, why the service can't do its job now; None if it can."""

_ready = Gauge("tminus_ready", "1 while the service can do its job, as /readyz says.")

CHECKS: web.AppKey[list[Check]] = web.AppKey("checks", list)


def routes(app: web.Application) -> list[web.RouteDef]:
    """`/healthz`, `/readyz` and `/metrics`; `app[CHECKS]` decides what ready means."""
    checks: list[Check] = []
    app[CHECKS] = checks
    _ready.set_function(lambda: not _reasons(checks))
    return [
        web.get("/healthz", _healthz),
        web.get("/readyz", _readyz),
        web.get("/metrics", metrics.serve),
    ]


async def _healthz(_: web.Request) -> web.Response:
    return web.json_response({"alive": True})


async def _readyz(request: web.Request) -> web.Response:
    if reasons := _reasons(request.app[CHECKS]):
        return web.json_response({"ready": False, "reason": "; ".join(reasons)}, status=503)
    return web.json_response({"ready": True})


def _reasons(checks: list[Check]) -> list[str]:
    return [reason for check in checks if (reason := check())]
