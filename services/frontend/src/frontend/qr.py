"""A room's link as a QR code, for the phones of the audience."""

import io

import segno
from aiohttp import web

from . import inputs
from .problem import Problem
from .settings import PLAIN_HOST, SETTINGS


async def code(request: web.Request) -> web.Response:
    """`GET /r/<room>/qr.svg`."""
    room = inputs.room_name(request)
    picture = io.BytesIO()
    segno.make(link(request, room), error="m", micro=False).save(
        picture, kind="svg", scale=8, border=2, light="#fff", svgclass=None, lineclass=None
    )
    return web.Response(body=picture.getvalue(), content_type="image/svg+xml")


def link(request: web.Request, room: str) -> str:
    """The room's address as the client reaches it; the edge's header says whether that is TLS.

    Raises Problem.
    """
    if PLAIN_HOST.fullmatch(request.host) is None:
        raise Problem(400, "The Host header names no host.")
    scheme = request.headers.get("X-Forwarded-Proto", request.scheme)
    path = request.app.router["room"].url_for(room=room)
    address = f"{request.host}{request.app[SETTINGS].base_path}{path}"
    return f"{'https' if scheme == 'https' else 'http'}://{address}"
