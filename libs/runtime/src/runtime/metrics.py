"""The figures, as Prometheus reads them: on the service's port, or on one for operators alone.

Whoever asks for them keeps the event loop busy while they are written down, so where strangers
reach the service's port they are better not there.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from .access_log import ErrorCounter

SHUTDOWN_SECONDS = 1.0
"""How long an answer under way may still take once the service ends."""

_ARE_ELSEWHERE: web.AppKey[bool] = web.AppKey("metrics_are_elsewhere", bool)


async def serve(request: web.Request) -> web.Response:
    """`/metrics`; 404 where the figures have a port of their own."""
    if request.app.get(_ARE_ELSEWHERE):
        raise web.HTTPNotFound
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})


def move(app: web.Application, host: str, port: int) -> None:
    """Serve the figures of `app` on `port`, over plain HTTP, for as long as it runs."""
    app[_ARE_ELSEWHERE] = True

    @asynccontextmanager
    async def serving(_: web.Application) -> AsyncIterator[None]:
        operators = web.Application()
        operators.add_routes([web.get("/metrics", serve)])
        runner = web.AppRunner(
            operators, access_log_class=ErrorCounter, shutdown_timeout=SHUTDOWN_SECONDS
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port).start()
            yield
        finally:
            await runner.cleanup()

    # Before all else: a service that waits for something has its figures already.
    app.cleanup_ctx.insert(0, serving)
