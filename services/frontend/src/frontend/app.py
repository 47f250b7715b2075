"""The frontend as an application: the page of a room, its forms, and the JSON API."""

import aiohttp_jinja2
import jinja2
from aiohttp import web

from bus.connection import connection
from runtime import health

from . import api, assets, auth, errors, forms, openapi, pages, qr, rate_limits, security_headers
from .settings import SETTINGS, Settings


def create_app(settings: Settings) -> web.Application:
    """The map of the service."""
    app = web.Application(
        # The first is the outermost: its headers are added to the others' responses, too.
        middlewares=[security_headers.secure, errors.explained, auth.same_site],
        client_max_size=64 * 1024,
    )
    app[SETTINGS] = settings
    app[assets.ASSETS] = assets.load()
    app[rate_limits.RATE_LIMITS] = rate_limits.RateLimits()
    aiohttp_jinja2.setup(app, loader=jinja2.PackageLoader("frontend"), trim_blocks=True)
    app.add_routes(health.routes(app))
    app.cleanup_ctx.append(connection(settings, "frontend"))
    app.add_routes(
        [
            web.get("/", pages.main_room),
            web.get("/r/{room}", pages.room, name="room"),
            web.get("/r/{room}/qr.svg", qr.code),
            web.post("/r/{room}/start", forms.start),
            web.post("/r/{room}/cancel", forms.cancel),
            web.post("/r/{room}/messages", forms.send),
            web.get("/api/openapi.json", openapi.serve),
            web.get("/api/time", api.time),
            web.get("/api/rooms/{room}", api.read),
            web.post("/api/rooms/{room}/countdown", api.start),
            web.delete("/api/rooms/{room}/countdown", api.cancel),
            web.post("/api/rooms/{room}/messages", api.send),
            web.get("/static/{version}/{name}", assets.serve),
        ]
    )
    return app
