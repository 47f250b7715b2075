"""The page of a room, rendered with the room's state."""

from http import HTTPStatus

import aiohttp_jinja2
import msgspec
from aiohttp import web
from yarl import URL

from protocol import subjects
from protocol.frames import RoomReply
from runtime.clock import now_ms, whole_now_ms

from . import auth, backend, first_paint, inputs
from .assets import ASSETS
from .problem import Problem
from .rights import Right
from .security_headers import NONCE
from .settings import SETTINGS
from .view import view_of

_OWN = {"room", "link"}
"""The parameters that an address does not keep as they are."""


async def main_room(request: web.Request) -> web.Response:
    """`GET /`: the room `main`, or the room from the form 'Another room'."""
    if name := request.query.get("room", "").strip().lower():
        if not subjects.is_room(name):
            raise Problem(404, inputs.NOT_A_ROOM, field="room")
        raise web.HTTPSeeOther(location=address(request, name))
    return await render(request, subjects.DEFAULT_ROOM)


async def room(request: web.Request) -> web.Response:
    """`GET /r/<room>`."""
    name = request.match_info["room"]
    if not subjects.is_room(name) and subjects.is_room(name.lower()):
        raise web.HTTPSeeOther(location=address(request, name.lower()))
    try:
        return await render(request, inputs.room_name(request))
    except Problem as problem:
        raise Problem(404, problem.detail, field=problem.field) from None


async def render(
    request: web.Request,
    room: str,
    problem: Problem | None = None,
    control: str = "",
    given: dict[str, str] | None = None,
) -> web.Response:
    """The page of `room`; a `problem` is shown beside `control`, and the form keeps the values that
    were `given`. Controls that the visitor may not use are left out."""
    status, reply, extra = 200, None, {}
    try:
        reply = await backend.state(request.app, room)
    except Problem as nobody:
        status, extra = nobody.status, dict(nobody.headers)
    if problem is not None:
        status, extra = problem.status, dict(problem.headers)
    access, view = auth.access(request, room), view_of(request.query)
    may_say, may_control = access.right >= Right.SAY, access.right >= Right.CONTROL
    is_shown = may_say if control == "message" else may_control
    refusal = problem if problem and not is_shown else access.refusal
    state = reply.state if reply else None
    response = aiohttp_jinja2.render_template(
        "room.html",
        request,
        {
            "room": room,
            "here": address(request, room),
            "is_still": "still" in request.query,
            "still": address(request, room).update_query(still=1),
            "view": view,
            "reply": reply,
            "first_paint": first_paint.of_state(state, whole_now_ms(), view.format == "clock"),
            "problem": problem,
            "control": control,
            "given": given or {},
            "run": form_id(problem, control == "start", given, "run"),
            "change_id": form_id(problem, control == "change", given, "id"),
            "message_id": form_id(problem, control == "message", given, "id"),
            "link": access.link,
            "may_say": may_say,
            "may_control": may_control,
            "refusal": refusal or "",
            "data": _data(request, room, reply),
            **frame(request),
        },
        status=status,
    )
    response.headers.update(extra)
    # Revalidated each time; but not `no-store`, which keeps browsers from restoring a page as it
    # was left.
    response.headers["Cache-Control"] = "no-cache"
    response.enable_compression()
    return response


def form_id(problem: Problem | None, is_its: bool, given: dict[str, str] | None, field: str) -> str:
    """The id that a form will send: a new one, or the one that was `given` if its outcome is
    unknown, so that sending the form again is the same request."""
    if problem is not None and problem.status == 503 and is_its and given:
        return given.get(field, "")
    return backend.new_id()


def address(request: web.Request, room: str) -> URL:
    """The address of a room's page, in the current view and with the links that it has."""
    query = [(name, value) for name, value in request.query.items() if name not in _OWN]
    query += [("link", link) for link in auth.links(request)]
    path = request.app.router["room"].url_for(room=room)
    return URL(f"{request.app[SETTINGS].base_path}{path}", encoded=True).with_query(query)


def explain(request: web.Request, problem: Problem) -> web.Response:
    """An error page with the problem's words."""
    response = aiohttp_jinja2.render_template(
        "problem.html",
        request,
        {
            "problem": problem,
            "title": HTTPStatus(problem.status).phrase,
            **frame(request),
        },
        status=problem.status,
    )
    response.headers.update(problem.headers)
    return response


def frame(request: web.Request, script: str = "page.js") -> dict[str, object]:
    """What every page's head needs; `script` is the module that it runs."""
    assets, base = request.app[ASSETS], request.app[SETTINGS].base_path
    return {
        "base": base,
        "static": f"{base}/static/{assets.version}",
        "modules": assets.modules(script),
        "nonce": request[NONCE],
    }


def _data(request: web.Request, room: str, reply: RoomReply | None) -> dict[str, object]:
    return {**connecting(request), "room": room, "reply": msgspec.to_builtins(reply)}


def connecting(request: web.Request) -> dict[str, object]:
    """Where a page's script finds the coordinators, and the time."""
    settings = request.app[SETTINGS]
    return {
        "hosts": settings.socket_hosts(request.host),
        "path": settings.socket_path,
        "now": now_ms(),
        "delay_ms": first_paint.DELAY_MS,
    }
