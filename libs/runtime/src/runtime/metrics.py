"""The metrics for Prometheus: on the service's port, or on one for operators only.

A scrape blocks the event loop while the metrics are written, so if strangers reach the service's
port, the metrics should not be there. Nor should what decides whether the process is killed: all
the connections that a service accepts may be strangers'.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, Counter, generate_latest

from .access_log import ErrorCounter

Site = Callable[[web.AppRunner], web.BaseSite]

LATE_SECONDS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 30)
"""The buckets of every histogram of lateness, the same so that one can be laid over another."""
SHUTDOWN_SECONDS = 1.0
"""How long a response in progress may still take once the service ends."""

_ARE_ELSEWHERE: web.AppKey[bool] = web.AppKey("metrics_are_elsewhere", bool)


def from_zero(counter: Counter, *values: str) -> Counter:
    """`counter`, which has one label, with these values of it at 0.

    Prometheus sees no increase in a series that begins with 1.
    """
    for value in values:
        counter.labels(value)
    return counter


async def serve(request: web.Request) -> web.Response:
    """`/metrics`; 404 if the metrics have a port of their own."""
    if request.app.get(_ARE_ELSEWHERE):
        raise web.HTTPNotFound
    return response(generate_latest())


def response(text: bytes) -> web.Response:
    """Metrics in Prometheus's text format."""
    return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST})


def move(app: web.Application, operators: web.Application, site: Site) -> None:
    """Serve `operators` at the site for as long as `app` runs, which has no metrics then."""
    app[_ARE_ELSEWHERE] = True

    @asynccontextmanager
    async def moved(_: web.Application) -> AsyncIterator[None]:
        async with serving(operators, site):
            yield

    # First of all, so that a service that waits for something has its metrics already.
    app.cleanup_ctx.insert(0, moved)


@asynccontextmanager
async def serving(operators: web.Application, site: Site) -> AsyncIterator[None]:
    """Serve an application for operators."""
    runner = web.AppRunner(
        operators, access_log_class=ErrorCounter, shutdown_timeout=SHUTDOWN_SECONDS
    )
    await runner.setup()
    try:
        await site(runner).start()
        yield
    finally:
        await runner.cleanup()
