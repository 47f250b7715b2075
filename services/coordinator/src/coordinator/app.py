"""The coordinator as a service: follow the rooms that have viewers, and send to them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from aiohttp import web

from bus.connection import BUS, connection
from bus.feed import FEED, Feed
from bus.quorum import staying_with_the_quorum
from bus.responder import Responder
from bus.stream import keep_stream, wanted
from protocol import subjects
from runtime import cors, health, telemetry
from runtime.background import background
from runtime.logs import logger
from runtime.origins import ORIGINS, Origins
from runtime.process import max_connections, raise_file_limit

from . import handshake
from .admission import ADMISSION, Admission
from .connections import CONNECTIONS, Connections
from .hub import HUB, Hub
from .io_uring import Ring
from .presence import Peers
from .queries import Queries
from .reconciler import Reconciler
from .settings import SETTINGS, Settings

log = logger(__name__)

SPARE_FILES = 64
"""File descriptors that are not for viewers."""


def create_app(settings: Settings) -> web.Application:
    """The map of the service."""
    app = web.Application()
    app[SETTINGS] = settings
    app[ORIGINS] = Origins(settings)
    app.add_routes(health.routes(app))
    app.add_routes(
        [
            web.get("/ws/connect", handshake.web_socket, allow_head=False),
            *cors.with_preflights(
                [web.get("/sse/connect", handshake.event_stream, allow_head=False)]
            ),
        ]
    )
    cors.share(app, "/sse/")
    app.cleanup_ctx.extend(
        [connection(settings, "coordinator"), staying_with_the_quorum, sending, coordinating]
    )
    app.on_shutdown.append(closing)
    telemetry.trace(app, "coordinator", settings)
    return app


@asynccontextmanager
async def sending(app: web.Application) -> AsyncIterator[None]:
    """Set up the connections, with an io_uring if the system allows one and TLS is off."""
    ring, reason = None, "TLS_CERT is set"
    if not app[SETTINGS].tls_cert:
        try:
            ring = Ring()
        except OSError as error:
            reason = str(error)
    if ring is None:
        log.info("io_uring unavailable, writing to each socket", reason=reason)
    app[CONNECTIONS] = Connections(ring)
    yield
    if ring is not None:
        ring.close()


@asynccontextmanager
async def coordinating(app: web.Application) -> AsyncIterator[None]:
    """Follow the watched rooms, count viewers with the other coordinators, answer queries."""
    settings, bus, connections = app[SETTINGS], app[BUS], app[CONNECTIONS]
    feed = app[FEED] = Feed(bus, partial(keep_stream, bus, wanted(settings)))
    hub = app[HUB] = Hub(settings.instance, connections, feed)
    app[ADMISSION] = Admission(settings, _max_viewers(settings), connections, hub)
    peers = Peers(bus, hub)
    reconciler = Reconciler(bus, hub, feed)
    queries = Queries(hub, peers, feed)
    responder = Responder(
        bus,
        "coordinator",
        "Reports the state of a room",
        {subjects.ROOM: queries.room},
        settings.instance,
    )
    app[health.CHECKS].extend([feed.check, responder.check])
    async with background(
        feed.run(hub),
        connections.sweep(),
        peers.subscribe(),
        peers.publish(),
        hub.run(peers.remote_counts),
        reconciler.run(),
        responder.run(ready=feed.ready),
    ):
        yield


async def closing(app: web.Application) -> None:
    """Close all viewers' connections, before the connection to the bus."""
    app[health.CHECKS].append(lambda: "shutting down")
    await app[CONNECTIONS].close()


def _max_viewers(settings: Settings) -> int:
    """The most viewers: as many as the settings allow, if there are enough file descriptors."""
    by_files = max(1, raise_file_limit() - SPARE_FILES - max_connections(settings))
    return min(settings.max_viewers or by_files, by_files)
