"""The frontend as an application: the page of a room, its forms, and the JSON API."""

import aiohttp_jinja2
import jinja2
from aiohttp import web

from bus.connection import connection
from bus.quorum import staying_with_the_quorum
from runtime import cors, health, telemetry
from runtime.origins import ORIGINS, Origins
from runtime.renewal import on_renewal

from . import (
    api,
    assets,
    auth,
    boards,
    budgets,
    errors,
    forms,
    message_limits,
    openapi,
    pages,
    qr,
    security_headers,
)
from .settings import SETTINGS, Settings


def create_app(settings: Settings) -> web.Application:
    """The map of the service."""
    app = web.Application(
        # The first is the outermost: its headers are added to the others' responses, too.
        middlewares=[security_headers.secure, errors.explained, budgets.within, auth.same_site],
        client_max_size=64 * 1024,
    )
    app[SETTINGS] = settings
    app[ORIGINS] = Origins(settings)
    app[auth.CREDENTIALS] = auth.Credentials(settings)
    on_renewal(app, Settings, app[auth.CREDENTIALS].renew)
    app[assets.ASSETS] = assets.load()
    app[budgets.BUDGETS] = budgets.Budgets(settings)
    app[message_limits.MESSAGE_LIMITS] = message_limits.MessageLimits()
    aiohttp_jinja2.setup(app, loader=jinja2.PackageLoader("frontend"), trim_blocks=True)
    app.add_routes(health.routes(app))
    app.cleanup_ctx.extend([connection(settings, "frontend"), staying_with_the_quorum])
    app.add_routes(
        [
            web.get("/", pages.main_room),
            web.get("/rooms", boards.show, name="board"),
            web.post("/rooms/link", boards.sign_in),
            web.get("/r/{room}", pages.room, name="room"),
            web.get("/r/{room}/qr.svg", qr.code),
            web.post("/r/{room}/start", forms.start),
            web.post("/r/{room}/hold", forms.hold),
            web.post("/r/{room}/resume", forms.resume),
            web.post("/r/{room}/adjust", forms.adjust),
            web.post("/r/{room}/recycle", forms.recycle),
            web.post("/r/{room}/cancel", forms.cancel),
            web.post("/r/{room}/messages", forms.send),
            web.post("/r/{room}/link", forms.sign_in),
            web.get("/static/{version}/{name}", assets.serve),
        ]
    )
    app.add_routes(
        cors.with_preflights(
            [
                web.get("/api/openapi.json", openapi.serve),
                web.get("/api/time", api.time),
                web.get("/api/rooms", api.read_several),
                web.get("/api/rooms/{room}", api.read),
                web.post("/api/rooms/{room}/countdown", api.start),
                web.delete("/api/rooms/{room}/countdown", api.cancel),
                web.post("/api/rooms/{room}/countdown/hold", api.hold),
                web.post("/api/rooms/{room}/countdown/resume", api.resume),
                web.post("/api/rooms/{room}/countdown/adjust", api.adjust),
                web.post("/api/rooms/{room}/countdown/recycle", api.recycle),
                web.post("/api/rooms/{room}/messages", api.send),
                web.post("/api/rooms/{room}/links", api.make_link),
            ]
        )
    )
    cors.share(app, "/api/")
    telemetry.trace_requests(app)
    telemetry.trace(app, "frontend", settings)
    return app
