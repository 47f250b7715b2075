"""Every service's endpoints for operators: is it alive, is it ready, its metrics."""

from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Handler
from prometheus_client import Gauge

from . import metrics

Check = Callable[[], str | None]
"""Returns the reason, in words, why the service can't do its job now; None if it can."""

_ready = Gauge("tminus_ready", "1 while the service can do its job, as /readyz says.")

CHECKS: web.AppKey[list[Check]] = web.AppKey("checks", list)


def routes(app: web.Application) -> list[web.RouteDef]:
    """`/healthz`, `/readyz` and `/metrics`; `app[CHECKS]` decides what ready means."""
    app[CHECKS] = []
    _ready.set_function(lambda: not reasons(app))
    return endpoints(metrics.serve)


def beside(app: web.Application) -> web.Application:
    """The same endpoints of `app` by themselves, for whoever reaches it in another way."""
    operators = web.Application()
    operators[CHECKS] = app[CHECKS]
    operators.add_routes(endpoints(metrics.serve))
    return operators


def reasons(app: web.Application) -> list[str]:
    """Why the service can't do its job now."""
    return [reason for check in app[CHECKS] if (reason := check())]


def endpoints(serve_metrics: Handler) -> list[web.RouteDef]:
    """The three endpoints, for an application that has its CHECKS already."""
    return [
        web.get("/healthz", _healthz),
        web.get("/readyz", _readyz),
        web.get("/metrics", serve_metrics),
    ]


async def _healthz(_: web.Request) -> web.Response:
    return web.json_response({"alive": True})


async def _readyz(request: web.Request) -> web.Response:
    if found := reasons(request.app):
        return web.json_response({"ready": False, "reason": "; ".join(found)}, status=503)
    return web.json_response({"ready": True})
