"""How a viewer comes in: the two handshakes, and what refuses them."""

from random import randint

from aiohttp import web

from bus.follower import Follower
from protocol import subjects
from runtime.origins import is_allowed

from .handover import early_bytes, take_over
from .hub import Hub
from .settings import Settings
from .viewer import EventStreamViewer, WebSocketViewer

REACH_SECONDS = 2.0
"""How long a viewer that has seen more of the stream than we have waits for us to get there."""

RETRY_MS = (1000, 4000)
"""Between how many milliseconds an event stream's viewer waits before it comes back; each is told
its own number, since a browser knows no other word for "not all at once"."""


class Door:
    """The endpoints `/ws/connect` and `/sse/connect`."""

    def __init__(self, hub: Hub, follower: Follower, settings: Settings, max_viewers: int) -> None:
        self._hub = hub
        self._follower = follower
        self._settings = settings
        self._max_viewers = max_viewers

    async def web_socket(self, request: web.Request) -> web.StreamResponse:
        """`GET /ws/connect?room=main[&epoch=E&after=SEQ]`."""
        _refuse_old_http(request)
        name, epoch, after = await self._admit(request)
        _refuse_other_versions(request)
        response = web.WebSocketResponse(autoping=False, autoclose=False, compress=False)
        early = early_bytes(request)
        await response.prepare(request)
        return self._seat(request, WebSocketViewer, name, epoch, after, early)

    async def event_stream(self, request: web.Request) -> web.StreamResponse:
        """`GET /sse/connect?room=main`, resumed by the header `Last-Event-ID`."""
        _refuse_old_http(request)
        name, epoch, after = await self._admit(request)
        response = web.StreamResponse(
            headers={
                "Content-Type": "text/event-stream",
                "Cache-Control": "no-store",
                "X-Accel-Buffering": "no",
            }
        )
        if origin := request.headers.get("Origin"):
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Vary"] = "Origin"
        response.enable_chunked_encoding()
        response.force_close()
        await response.prepare(request)
        await response.write(b"retry: %d\n" % randint(*RETRY_MS))
        return self._seat(request, EventStreamViewer, name, epoch, after)

    async def _admit(self, request: web.Request) -> tuple[str, str, int | None]:
        """The room and the place to resume from; raises the refusal where there is a reason."""
        name = request.query.get("room", subjects.DEFAULT_ROOM)
        if not subjects.is_room(name):
            raise web.HTTPBadRequest(text=f"room: {name[:80]!r} is not a room's name\n")
        epoch, after = _resume(request)
        if not is_allowed(request, self._settings):
            raise web.HTTPForbidden(text="this origin may not connect\n")
        self._refuse_if_full()
        if (
            after is not None
            and epoch == self._hub.situation.epoch
            and after > self._hub.situation.position
        ):
            await self._follower.reached(after, REACH_SECONDS)
            self._refuse_if_full()  # others have come in meanwhile
        if self._hub.situation.is_beginning:
            raise web.HTTPServiceUnavailable(
                text="not caught up with the stream\n", headers={"Retry-After": "1"}
            )
        return name, epoch, after

    def _refuse_if_full(self) -> None:
        if self._hub.crowd.count >= self._max_viewers:
            raise web.HTTPServiceUnavailable(text="full\n", headers={"Retry-After": "5"})

    def _seat(
        self,
        request: web.Request,
        kind: type[WebSocketViewer | EventStreamViewer],
        name: str,
        epoch: str,
        after: int | None,
        early: bytes = b"",
    ) -> web.Response:
        room = self._hub.room(name)
        viewer = kind(room)
        transport = take_over(request, viewer)
        if transport is not None:
            self._hub.crowd.welcome(viewer)
            room.join(viewer, transport, epoch, after)
            if early:
                viewer.data_received(early)
        return web.Response()  # never written: the connection is not aiohttp's any more


def _refuse_old_http(request: web.Request) -> None:
    """Neither an upgrade nor a body in chunks is known to HTTP/1.0."""
    if request.version < (1, 1):
        raise web.HTTPVersionNotSupported(text="a viewer needs HTTP/1.1\n")


def _refuse_other_versions(request: web.Request) -> None:
    """RFC 6455, 4.4: say which one is taken; aiohttp would take two drafts as well."""
    if request.headers.get("Sec-WebSocket-Version") != "13":
        accepted = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
        }
        raise web.HTTPUpgradeRequired(text="a WebSocket needs version 13\n", headers=accepted)


def _resume(request: web.Request) -> tuple[str, int | None]:
    """The epoch and sequence that the viewer has seen last."""
    last_event_id = request.headers.get("Last-Event-ID", "")
    epoch, separator, after = last_event_id.partition(":")
    if not separator:
        epoch, after = request.query.get("epoch", ""), request.query.get("after", "")
    if after and not (after.isascii() and after.isdigit() and len(after) <= 16):
        raise web.HTTPBadRequest(text=f"after: {after[:80]!r} is not a sequence\n")
    return epoch, int(after) if after else None
