"""The JSON API: everything that the page can do, for programs."""

from typing import Annotated, TypeVar

import msgspec
from aiohttp import web
from msgspec import Meta, Raw, Struct

from protocol import requests
from protocol.events import (
    AfterZero,
    ChangeId,
    DangerFrom,
    EpochMs,
    From,
    Holds,
    IntervalMs,
    Left,
    RunId,
    Seconds,
    WarningFrom,
)
from protocol.frames import RoomReply
from protocol.messages import MessageId
from protocol.requests import Adjust, Cancel, Hold, Recycle, Resume, Start
from runtime.clock import now_ms

from . import auth, backend, budgets, inputs, links, qr
from .links import LinkBody
from .problem import Problem, not_valid
from .rights import Right

T = TypeVar("T")


class Text(Struct):
    """A message to send into a room."""

    text: str
    id: (
        Annotated[
            MessageId, Meta(description="Sent again with the same id, a message is stored once.")
        ]
        | None
    ) = None


class Stored(Struct):
    """The answer to a message: it is stored."""

    stored: bool = True


class Time(Struct):
    """The time of the machine that answers, in milliseconds since the Unix epoch."""

    server_time: float


class Rooms(Struct):
    """The states of several rooms, in the order in which they were asked for."""

    rooms: list[RoomReply]


class StartBody(Struct, rename={"from_": "from"}):
    """A start without its room, which the address names."""

    from_: From = 10
    interval_ms: IntervalMs = 1000
    starts_at: EpochMs | None = None
    run: (
        Annotated[RunId, Meta(description="Asked again with the same run, it is started once.")]
        | None
    ) = None
    after_zero: AfterZero = "stop"
    warning: WarningFrom | None = None
    danger: DangerFrom | None = None
    holds: Holds = ()


class ChangeBody(Struct, kw_only=True):
    """A hold or a resume without its room."""

    run: Annotated[RunId, Meta(description="The run that is meant; null is any.")] | None = None
    id: (
        Annotated[ChangeId, Meta(description="Asked again with the same id, it is done once.")]
        | None
    ) = None


class AdjustBody(ChangeBody, kw_only=True):
    """An adjustment without its room."""

    seconds: Seconds


class RecycleBody(ChangeBody, kw_only=True):
    """A recycle without its room."""

    to: Left


async def read(request: web.Request) -> web.Response:
    """`GET /api/rooms/<room>`: 200 with the room's state."""
    reply = await backend.state(request.app, inputs.room_name(request))
    return _json(msgspec.json.encode(reply))


async def read_several(request: web.Request) -> web.Response:
    """`GET /api/rooms?names=quiz,launch`: 200 with the states of these rooms, in this order."""
    names = inputs.room_names(request)
    budgets.charge(request, len(names) - 1)
    return _json(msgspec.json.encode(Rooms(await backend.states(request.app, names))))


async def time(_: web.Request) -> web.Response:
    """`GET /api/time`: 200 with the time, for pages that have no WebSocket to ask over."""
    return _json(msgspec.json.encode(Time(now_ms())))


async def start(request: web.Request) -> web.Response:
    """`POST /api/rooms/<room>/countdown`: 201 with the `started` event."""
    room = inputs.room_name(request)
    auth.require(request, room, Right.CONTROL)
    terms = _decode(await inputs.read(request) or b"{}", StartBody)
    terms.run = inputs.idempotency_key(request, terms.run, "run")
    try:
        asked = Start(room=room, **msgspec.structs.asdict(terms))
    except ValueError as error:
        raise not_valid(str(error)) from None
    return _json(await backend.start(request.app, asked), status=201)


async def cancel(request: web.Request) -> web.Response:
    """`DELETE /api/rooms/<room>/countdown?run=<run>`: 200 with the `cancelled` event."""
    room = inputs.room_name(request)
    auth.require(request, room, Right.CONTROL)
    asked = Cancel(room=room, run=inputs.run(request.query))
    return _json(await backend.change(request.app, asked))


async def hold(request: web.Request) -> web.Response:
    """`POST /api/rooms/<room>/countdown/hold`: 200 with the `held` event."""
    return await _change(request, Hold, ChangeBody)


async def resume(request: web.Request) -> web.Response:
    """`POST /api/rooms/<room>/countdown/resume`: 200 with the `resumed` event."""
    return await _change(request, Resume, ChangeBody)


async def adjust(request: web.Request) -> web.Response:
    """`POST /api/rooms/<room>/countdown/adjust`: 200 with the `adjusted` event."""
    return await _change(request, Adjust, AdjustBody)


async def recycle(request: web.Request) -> web.Response:
    """`POST /api/rooms/<room>/countdown/recycle`: 200 with the `recycled` event."""
    return await _change(request, Recycle, RecycleBody)


async def _change(
    request: web.Request, kind: type[Hold | Resume | Adjust | Recycle], body: type[ChangeBody]
) -> web.Response:
    room = inputs.room_name(request)
    auth.require(request, room, Right.CONTROL)
    terms = _decode(await inputs.read(request) or b"{}", body)
    terms.id = inputs.idempotency_key(request, terms.id, "id")
    asked = kind(room=room, **msgspec.structs.asdict(terms))
    return _json(await backend.change(request.app, asked))


async def send(request: web.Request) -> web.Response:
    """`POST /api/rooms/<room>/messages`: 202 once the message is stored."""
    room = inputs.room_name(request)
    auth.require(request, room, Right.SAY)
    message = _decode(await inputs.read(request), Text)
    id = inputs.idempotency_key(request, message.id, "id")
    await backend.send(request.app, room, message.text, id)
    return _json(msgspec.json.encode(Stored()), status=202)


async def make_link(request: web.Request) -> web.Response:
    """`POST /api/rooms/<room>/links`: 201 with a link that carries a right for the room."""
    room, keys = inputs.room_name(request), auth.keys(request)
    auth.require_token(request, auth.bearer(request))
    body = _decode(await inputs.read(request), LinkBody)
    made = links.make(keys, qr.link(request, room), room, body, now_ms() / 1000)
    return _json(msgspec.json.encode(made), status=201)


def _decode(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise not_valid(requests.describe(error)) from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(400, f"The body is not JSON: {requests.describe(error)}") from None


def _json(body: bytes | Raw, status: int = 200) -> web.Response:
    return web.Response(
        status=status,
        body=bytes(body),
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )
