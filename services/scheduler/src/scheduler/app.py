"""The scheduler as a service: follow the rooms' events, keep the deadlines, answer commands."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from aiohttp import web

from bus.connection import BUS, connection
from bus.follower import Follower
from bus.quorum import staying_with_the_quorum
from bus.responder import Responder
from bus.stream import keep_stream, wanted
from protocol import subjects
from runtime import health, telemetry
from runtime.background import background

from .commands import Commands
from .deadlines import Deadlines
from .event_store import EventStore
from .keeper import Keeper
from .load import Load
from .relay import Relay
from .server_clock import ServerClock
from .settings import SETTINGS, Settings


def create_app(settings: Settings) -> web.Application:
    """The whole service; its HTTP is for health and metrics only."""
    app = web.Application()
    app[SETTINGS] = settings
    app.add_routes(health.routes(app))
    app.cleanup_ctx.extend([connection(settings, "scheduler"), staying_with_the_quorum, scheduling])
    telemetry.trace(app, "scheduler", settings)
    return app


@asynccontextmanager
async def scheduling(app: web.Application) -> AsyncIterator[None]:
    """Follow the rooms' events, keep the deadlines, and answer commands once caught up."""
    bus, instance = app[BUS], app[SETTINGS].instance
    settings = app[SETTINGS]
    store = EventStore(bus, Load(settings.max_runs, settings.max_ticks_per_second))
    max_hold_ms = settings.max_hold_seconds * 1000
    deadlines = Deadlines(bus, store, instance, max_hold_ms)
    keeper = Keeper(bus, store)
    server_clock = ServerClock(bus)
    follower = Follower(
        bus,
        open_stream=partial(keep_stream, bus, wanted(app[SETTINGS])),
        on_entry=store.fold,
        on_reset=store.reset,
    )
    commands = Commands(store, instance, max_hold_ms)
    responder = Responder(
        bus,
        "scheduler",
        "Starts, holds, resumes, adjusts, recycles and cancels countdowns",
        {
            subjects.START: commands.start,
            subjects.HOLD: commands.hold,
            subjects.RESUME: commands.resume,
            subjects.ADJUST: commands.adjust,
            subjects.RECYCLE: commands.recycle,
            subjects.CANCEL: commands.cancel,
        },
        instance,
    )
    app[health.CHECKS].extend([follower.check, store.check, responder.check, server_clock.check])
    async with background(
        deadlines.run(),
        keeper.run(ready=follower.caught_up),
        server_clock.run(),
        follower.run(),
        Relay(bus).run(ready=follower.caught_up),
        responder.run(ready=follower.caught_up),
    ):
        yield
