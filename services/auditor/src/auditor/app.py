"""The auditor as a service: follow the rooms' events and check each of them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Never

from aiohttp import web
from nats.js.api import StreamInfo
from prometheus_client import Gauge

from bus.connection import BUS, Bus, connection
from bus.follower import Follower
from bus.quorum import staying_with_the_quorum
from bus.stream import stream_info
from runtime import health
from runtime.background import background

from .audit import Audit
from .canary.loop import counting
from .settings import SETTINGS, Settings

LOOK_SECONDS = 0.5

_position = Gauge("tminus_audit_position", "Stream sequence of the last event checked.")
_current = Gauge(
    "tminus_audit_current_timestamp_seconds",
    "When it was last known that everything in the stream had been checked.",
)


def create_app(settings: Settings) -> web.Application:
    """The whole service; its HTTP is for health and metrics only."""
    app = web.Application()
    app[SETTINGS] = settings
    app.add_routes(health.routes(app))
    app.cleanup_ctx.extend([connection(settings, "auditor"), staying_with_the_quorum, auditing])
    return app


@asynccontextmanager
async def auditing(app: web.Application) -> AsyncIterator[None]:
    """Follow the rooms' events, from the last one of each on, and check what is stored."""
    bus = app[BUS]
    audit = Audit(bus, app[SETTINGS].max_skew_ms)
    follower = Follower(
        bus,
        open_stream=partial(_existing_stream, bus),
        on_entry=audit.fold,
        on_reset=audit.reset,
    )
    _position.set_function(lambda: follower.position)
    app[health.CHECKS].append(follower.check)
    loops = [audit.run(), follower.run(), _keep_time(follower)]
    if (target := app[SETTINGS].canary()) is not None:
        loops.append(counting(target, app[SETTINGS].canary_interval))
    async with background(*loops):
        yield


async def _existing_stream(bus: Bus) -> StreamInfo:
    """The stream as it is: who only reads it neither creates nor changes it."""
    return await stream_info(bus.jetstream)


async def _keep_time(follower: Follower) -> Never:
    """Note again and again whether everything has been checked."""
    while True:
        if follower.is_at_the_end:
            _current.set_to_current_time()
        await asyncio.sleep(LOOK_SECONDS)
