"""The coordinator as a service: follow the stream, seat viewers, answer what a room's state is."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from aiohttp import web

from bus.connection import BUS, connection
from bus.errors import ServiceError
from bus.follower import Follower
from bus.responder import Responder
from bus.stream import open_stream, wanted
from protocol import frames, requests, subjects
from protocol.frames import RoomReply
from protocol.requests import ReadRoom, RequestError
from runtime import health
from runtime.background import background
from runtime.logs import logger
from runtime.process import raise_file_limit

from .history import History
from .hub import Hub
from .io_uring import Ring
from .joining import Door
from .presence import Peers
from .reconciler import Reconciler
from .settings import Settings

log = logger(__name__)

LOOK_BACK = 50_000
"""How many entries of the stream are read at the start, for viewers who come back."""
SPARE_FILES = 64
"""File descriptors that are not for viewers."""

SETTINGS = web.AppKey("settings", Settings)
HUB = web.AppKey("hub", Hub)
DOOR = web.AppKey("door", Door)
RING: web.AppKey[Ring | None] = web.AppKey("ring")


def create_app(settings: Settings) -> web.Application:
    """The whole service."""
    app = web.Application()
    app[SETTINGS] = settings
    app.add_routes(health.routes(app))
    app.add_routes(
        [
            web.get("/ws/connect", connect_web_socket, allow_head=False),
            web.get("/sse/connect", connect_event_stream, allow_head=False),
        ]
    )
    app.cleanup_ctx.extend([connection(settings, "coordinator"), sending, coordinating])
    app.on_shutdown.append(dismissing)
    return app


@asynccontextmanager
async def sending(app: web.Application) -> AsyncIterator[None]:
    """Have a ring to send to many by, where the system has one and the sockets are plain."""
    ring, reason = None, "TLS_CERT is set"
    if not app[SETTINGS].tls_cert:
        try:
            ring = Ring()
        except OSError as error:
            reason = str(error)
    if ring is None:
        log.info("sending to one after another", reason=reason)
    app[RING] = ring
    yield
    if ring is not None:
        ring.close()


@asynccontextmanager
async def coordinating(app: web.Application) -> AsyncIterator[None]:
    """Follow the stream, tell and hear of viewers elsewhere, and answer once all is known."""
    settings, bus = app[SETTINGS], app[BUS]
    hub = app[HUB] = Hub(settings.instance, app[RING])
    peers = Peers(bus, hub)
    follower = Follower(
        bus,
        subjects.EVERYTHING,
        open_stream=partial(open_stream, bus, wanted(settings)),
        look_back=LOOK_BACK,
        on_entry=hub.take_in,
        on_epoch=hub.begin,
        on_caught_up=hub.caught_up,
    )
    app[DOOR] = Door(hub, follower, settings, _seats(settings.max_viewers))

    async def tell_room(payload: bytes) -> bytes:
        try:
            name = requests.decode(payload, ReadRoom).room
        except RequestError as error:
            raise ServiceError(400, str(error)) from None
        return frames.encode(room_reply(hub, peers, name))

    responder = Responder(
        bus,
        "coordinator",
        "Tells what a room shows",
        {subjects.ROOM: tell_room},
        settings.instance,
    )
    app[health.CHECKS].extend([follower.check, responder.check])
    async with background(
        follower.run(),
        hub.crowd.sweep(),
        peers.listen(),
        peers.tell(),
        Reconciler(bus, hub).run(),
        responder.run(ready=follower.caught_up),
    ):
        yield


async def connect_web_socket(request: web.Request) -> web.StreamResponse:
    return await request.app[DOOR].web_socket(request)


async def connect_event_stream(request: web.Request) -> web.StreamResponse:
    return await request.app[DOOR].event_stream(request)


async def dismissing(app: web.Application) -> None:
    """End all viewers' connections, before the bus is left."""
    app[health.CHECKS].append(lambda: "shutting down")
    await app[HUB].crowd.end()


def room_reply(hub: Hub, peers: Peers, name: str) -> RoomReply:
    """What `coordinator.room` answers."""
    room = hub.rooms.get(name)
    history = room.history if room is not None else History(0)
    return RoomReply(
        room=name,
        epoch=hub.situation.epoch,
        seq=history.seq,
        viewers=(len(room) if room is not None else 0) + hub.situation.elsewhere.get(name, 0),
        screens=peers.screens(name),
        state=history.state,
    )


def _seats(max_viewers: int) -> int:
    """How many viewers there is room for: as many as are wanted, where the descriptors allow."""
    by_files = max(1, raise_file_limit() - SPARE_FILES)
    return min(max_viewers or by_files, by_files)
