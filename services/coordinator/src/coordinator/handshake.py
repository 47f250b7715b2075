"""The two handshakes of viewers, and the reasons to refuse one."""

import asyncio
import base64
from random import randint
from typing import Final

from aiohttp import web
from msgspec import Struct

from bus.feed import FEED
from protocol import frames, subjects
from protocol.frames import Bye
from runtime.access_log import refused as http_refused
from runtime.origins import ORIGINS

from . import encodings
from .admission import ADMISSION, not_caught_up, shutting_down
from .connections import CONNECTIONS
from .event_stream import EventStreamViewer
from .handover import HandedOver, early_bytes, take_over
from .hub import HUB
from .room import Room
from .subscriptions import Subscriptions
from .websocket import WebSocketViewer

OPEN_SECONDS = 2.0
"""How long a viewer may wait for the past of a room that was not followed yet, if meanwhile no
other room's past is read either."""
OPEN_TIMES: Final = 10
"""How many times as long, while others' are: a thousand that are opened at once take their turn."""
REACH_SECONDS = 2.0
"""How long a viewer that has seen more of the room waits until this coordinator catches up."""
RETRY_MS: Final = (1000, 4000)
"""The range of the delay before an event stream's viewer reconnects; each gets a random one, since
browsers have no other way to spread them."""

EVENT_STREAM: Final = "text/event-stream"
_EVENT_STREAM_HEADERS: Final = {
    "Content-Type": EVENT_STREAM,
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
}


class Handshake(Struct, frozen=True):
    """What a viewer asks for: rooms, the positions to resume from; and where it comes from."""

    rooms: list[str]
    epoch: str
    after: list[int | None]
    """The last sequence that the viewer has seen of each room."""
    has_ticks: bool
    address: str


async def web_socket(request: web.Request) -> web.StreamResponse:
    """`GET /ws/connect?room=main[&epoch=E&after=SEQ][&ticks=0]`, or for several rooms
    `?rooms=quiz,launch[&epoch=E&after=SEQ,SEQ][&ticks=0]`."""
    _refuse_other_http(request)
    handshake = _parse(request)
    _refuse_other_versions(request)
    _refuse_other_upgrades(request)
    with request.app[ADMISSION].handshake(handshake.address, handshake.rooms):
        room = await _opened(request, handshake, is_list="rooms" in request.query)
        version, subprotocols = _version(request)
        response = web.WebSocketResponse(
            protocols=subprotocols, autoping=False, autoclose=False, compress=False
        )
        early = early_bytes(request)
        try:
            await response.prepare(request)
        except ConnectionResetError:  # it has left while it waited
            return HandedOver()
        encoding = encodings.websocket(version, handshake.has_ticks, isinstance(room, Room))
        viewer = WebSocketViewer(room, encoding)
        _hand_over(request, viewer, room, handshake)
    if early and viewer.group is not None:
        viewer.data_received(early)
    return HandedOver()


async def event_stream(request: web.Request) -> web.StreamResponse:
    """`GET /sse/connect?room=main`, resumed by the header `Last-Event-ID`."""
    _refuse_other_http(request)
    handshake = _parse(request)
    if len(handshake.rooms) > 1:
        # Its viewer comes back with one `Last-Event-ID`.
        raise web.HTTPBadRequest(text="rooms: an event stream is of one room\n")
    try:
        with request.app[ADMISSION].handshake(handshake.address, handshake.rooms):
            room = await _opened(request, handshake, is_list=False)
            response = web.StreamResponse(headers=_EVENT_STREAM_HEADERS)
            response.enable_chunked_encoding()
            response.force_close()
            await response.prepare(request)
            await response.write(_retry())
            viewer = EventStreamViewer(room, encodings.event_stream(handshake.has_ticks))
            _hand_over(request, viewer, room, handshake)
    except (web.HTTPServiceUnavailable, web.HTTPTooManyRequests) as refusal:
        if EVENT_STREAM not in request.headers.get("Accept", ""):
            raise
        return _come_back(refusal)
    except ConnectionResetError:  # as above
        pass
    return HandedOver()


def _parse(request: web.Request) -> Handshake:
    """Raises an HTTP error if it is invalid, or its origin may not connect."""
    rooms = _rooms(request)
    epoch, after = _resume(request, len(rooms))
    if not request.app[ORIGINS].admit(request):
        raise web.HTTPForbidden(text="this origin may not connect\n")
    address = request.app[ADMISSION].address(request)
    return Handshake(rooms, epoch, after, _has_ticks(request), address)


def _rooms(request: web.Request) -> list[str]:
    if "rooms" in request.query:
        if "room" in request.query:
            raise web.HTTPBadRequest(text="room: can't be named beside rooms\n")
        try:
            return subjects.rooms(request.query["rooms"])
        except subjects.RoomsError as error:
            raise web.HTTPBadRequest(text=f"rooms: {error}\n") from None
    name = request.query.get("room", subjects.DEFAULT_ROOM)
    if not subjects.is_room(name):
        raise web.HTTPBadRequest(text=f"room: {name[:80]!r} is not a room's name\n")
    return [name]


async def _opened(
    request: web.Request, handshake: Handshake, *, is_list: bool
) -> Room | Subscriptions:
    """The room, or, if the viewer gave a list, all of them as one, as by `_opened_room`."""
    if is_list:
        opened: Room | Subscriptions = await _opened_rooms(request, handshake)
    else:
        opened = await _opened_room(request, handshake, handshake.rooms[0], handshake.after[0])
    if request.app[CONNECTIONS].is_closing:
        raise shutting_down()
    return opened


async def _opened_rooms(request: web.Request, handshake: Handshake) -> Subscriptions:
    asked = zip(handshake.rooms, handshake.after, strict=True)
    try:
        async with asyncio.TaskGroup() as opening:
            tasks = [
                opening.create_task(_opened_room(request, handshake, name, after))
                for name, after in asked
            ]
    except ExceptionGroup as refusals:
        raise refusals.exceptions[0] from None
    rooms = [task.result() for task in tasks]
    for room in rooms:
        if request.app[HUB].rooms.get(room.name) is not room:
            raise not_caught_up()  # it was dropped while the others were read
        room.touch()
    return Subscriptions(rooms, request.app[CONNECTIONS])


async def _opened_room(
    request: web.Request, handshake: Handshake, name: str, after: int | None
) -> Room:
    """A room, its past read as far as the viewer has seen it; raises an HTTP error if it can't be
    read in time."""
    admission, hub, address = request.app[ADMISSION], request.app[HUB], handshake.address
    room = hub.rooms.get(name)
    if room is None or not room.opened.is_set():
        async with admission.turn(address, name):
            for _ in range(OPEN_TIMES):
                read = hub.rooms_read
                room = await hub.opened(name, OPEN_SECONDS, address)
                if room is not None or hub.rooms_read == read:
                    break
        if room is None:
            raise not_caught_up()
    room.touch()  # so that it is not dropped meanwhile
    if after is not None and handshake.epoch == room.epoch and after > room.history.seq:
        has_reached = await request.app[FEED].reached(name, after, REACH_SECONDS)
        if not has_reached and not hub.is_following:
            raise not_caught_up()  # to the viewer it would look like a stream from a backup
    return hub.room(name, address)


def _retry(least_ms: int = 0) -> bytes:
    return b"retry: %d\n" % (least_ms + randint(*RETRY_MS))


def _come_back(refusal: web.HTTPException) -> web.Response:
    """What an EventSource gets instead of 429 or 503, after which it would never come back: by the
    standard it reconnects only if a response of status 200 ends (WHATWG HTML, 9.2.2)."""
    http_refused.labels(refusal.status).inc()  # it is a refusal, whatever its status says
    seconds = int(refusal.headers["Retry-After"])
    bye = Bye(reason=(refusal.text or "").strip(), reconnect_ms=seconds * 1000)
    body = b"%sevent: bye\ndata: %s\n\n" % (_retry(seconds * 1000), frames.encode(bye))
    return web.Response(body=body, headers=_EVENT_STREAM_HEADERS)


def _hand_over(
    request: web.Request,
    viewer: WebSocketViewer | EventStreamViewer,
    room: Room | Subscriptions,
    handshake: Handshake,
) -> None:
    """Give the socket to the viewer and let it join, unless the peer has disconnected."""
    transport = take_over(request, viewer)
    if transport is None:
        return
    viewer.address = handshake.address
    request.app[CONNECTIONS].add(viewer)
    if isinstance(room, Room):
        room.join(viewer, transport, handshake.epoch, handshake.after[0])
    else:
        room.join(viewer, transport, handshake.epoch, handshake.after)


def _refuse_other_http(request: web.Request) -> None:
    """HTTP/1.0 has neither upgrades nor chunked bodies, and nobody speaks HTTP/2 like this."""
    if request.version != (1, 1):
        raise web.HTTPVersionNotSupported(text="a viewer needs HTTP/1.1\n")


def _refuse_other_versions(request: web.Request) -> None:
    """RFC 6455, 4.4: answer with the supported version; aiohttp would accept two drafts as well."""
    if request.headers.get("Sec-WebSocket-Version") != "13":
        accepted = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
        }
        raise web.HTTPUpgradeRequired(text="a WebSocket needs version 13\n", headers=accepted)


def _refuse_other_upgrades(request: web.Request) -> None:
    """What aiohttp would refuse once the room is open, and unclearly, or not survive."""
    upgrade = request.headers.get("Upgrade", "")
    if upgrade.strip().lower() != "websocket":
        raise web.HTTPBadRequest(text=f"Upgrade: {upgrade[:80]!r} is not websocket\n")
    connection = ",".join(request.headers.getall("Connection", ()))
    if "upgrade" not in {option.strip().lower() for option in connection.split(",")}:
        raise web.HTTPBadRequest(text=f"Connection: {connection[:80]!r} is not upgrade\n")
    key = request.headers.get("Sec-WebSocket-Key", "")
    try:
        is_key = len(base64.b64decode(key, validate=True)) == 16
    except ValueError:
        is_key = False
    if not is_key:
        raise web.HTTPBadRequest(
            text=f"Sec-WebSocket-Key: {key[:80]!r} is not 16 bytes in base64\n"
        )


def _version(request: web.Request) -> tuple[int, tuple[str, ...]]:
    """The version of the protocol, and its subprotocol if the viewer offers one that is known."""
    # aiohttp, which answers, reads the first line only.
    offered = request.headers.get("Sec-WebSocket-Protocol", "")
    names = {name.strip() for name in offered.split(",")}
    for version, subprotocol in frames.PROTOCOLS.items():
        if subprotocol in names:
            return version, (subprotocol,)
    return 1, ()


def _has_ticks(request: web.Request) -> bool:
    ticks = request.query.get("ticks", "1")
    if ticks not in ("0", "1"):
        raise web.HTTPBadRequest(text=f"ticks: {ticks[:80]!r} is neither 0 nor 1\n")
    return ticks == "1"


def _resume(request: web.Request, rooms: int) -> tuple[str, list[int | None]]:
    """The last epoch, and the last sequence of each of so many `rooms`, that the viewer has seen;
    an empty one is that of a room of which it has seen nothing."""
    last_event_id = request.headers.get("Last-Event-ID", "")
    epoch, separator, seen = last_event_id.partition(":")
    if not separator:
        epoch, seen = request.query.get("epoch", ""), request.query.get("after", "")
    given = seen.split(",") if seen else [""] * rooms
    if len(given) != rooms:
        raise web.HTTPBadRequest(text=f"after: {len(given)} sequences for {rooms} rooms\n")
    for after in given:
        if after and not (after.isascii() and after.isdigit() and len(after) <= 16):
            raise web.HTTPBadRequest(text=f"after: {after[:80]!r} is not a sequence\n")
    return epoch, [int(after) if after else None for after in given]
