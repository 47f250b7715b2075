"""The services behind the frontend: requests to them, and their errors in people's words."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

import msgspec
from aiohttp import web
from msgspec import Raw, Struct

from bus.connection import BUS
from bus.errors import BusError, BusTimeout, NoResponders, ServiceError
from protocol import messages, requests, subjects
from protocol.frames import RoomReply, State

from .problem import Problem, not_valid
from .rate_limits import RATE_LIMITS

TIME_LIMIT_SECONDS = 0.9
"""The timeout of one attempt; with the second one it stays under two seconds."""
SHOWN_SECONDS = 0.25
SHOWN_TRIES = 50
"""How long, and with how many requests, to wait until a coordinator has an event."""


class _Run(Struct):
    """An event, the field used here."""

    run: str


class _Ack(Struct):
    """JetStream's acknowledgement of a message."""

    stream: str
    seq: int


async def state(app: web.Application, room: str) -> RoomReply:
    """The room's state, from a coordinator."""
    reply = await _ask(app, subjects.ROOM, requests.ReadRoom(room=room), "coordinator")
    return msgspec.json.decode(reply, type=RoomReply)


async def start(app: web.Application, request: requests.Start) -> Raw:
    """Start a run; returns its `started` event as JSON, once a coordinator has it."""
    event = await _ask(app, subjects.START, request, "scheduler")
    run = msgspec.json.decode(event, type=_Run).run
    await _wait_until(app, request.room, lambda state: state.run == run)
    return Raw(event)


async def cancel(app: web.Application, room: str) -> Raw:
    """Cancel the run; returns its `cancelled` event as JSON, once a coordinator has it."""
    event = await _ask(app, subjects.CANCEL, requests.Cancel(room=room), "scheduler")
    run = msgspec.json.decode(event, type=_Run).run
    await _wait_until(app, room, lambda state: state.run != run or state.status == "cancelled")
    return Raw(event)


async def send(app: web.Application, room: str, text: str) -> None:
    """Send a message to the room; it is stored when this returns."""
    if messages.is_blank(text):
        raise Problem(422, "A message needs some text.", field="text")
    try:
        payload = messages.encode(text)
    except messages.MessageError:
        raise Problem(
            413, f"A message has {messages.MAX_BYTES} bytes at most.", field="text"
        ) from None
    app[RATE_LIMITS].take(room, len(payload), time.monotonic() * 1000)
    try:
        # No retry: a message that timed out may be stored, and twice is worse than an error.
        reply = await app[BUS].request(subjects.messages(room), payload, TIME_LIMIT_SECONDS)
        msgspec.json.decode(reply.data, type=_Ack)
    except (BusError, msgspec.MsgspecError):
        raise Problem(503, "The message could not be stored: try again in a moment.") from None


async def _wait_until(app: web.Application, room: str, is_shown: Callable[[State], bool]) -> None:
    """Wait a moment until a coordinator has the event, so that the next request sees it."""
    with suppress(TimeoutError, Problem):
        async with asyncio.timeout(SHOWN_SECONDS):
            for _ in range(SHOWN_TRIES):
                if is_shown((await state(app, room)).state):
                    return
                await asyncio.sleep(0.002)


async def _ask(app: web.Application, subject: str, request: Struct, service: str) -> bytes:
    payload = msgspec.json.encode(request)
    try:
        try:
            return await app[BUS].ask(subject, payload, TIME_LIMIT_SECONDS)
        except BusTimeout:
            return await app[BUS].ask(subject, payload, TIME_LIMIT_SECONDS)
    except ServiceError as error:
        raise _problem(error) from None
    except NoResponders:
        raise Problem(503, f"No {service} is running at the moment.") from None
    except BusTimeout:
        raise Problem(503, f"The {service} did not answer in time.") from None
    except BusError:
        raise Problem(503, "The message bus can't be reached at the moment.") from None


def _problem(error: ServiceError) -> Problem:
    match error.code:
        case 400:
            return not_valid(error.description)
        case 404:
            return Problem(404, "There is nothing to cancel: no countdown is under way.")
        case 409:
            return Problem(
                409, "A countdown is already under way in this room.", event=_event(error.body)
            )
        case _:
            return Problem(503, error.description or "The service could not do it.")


def _event(body: bytes) -> Raw | None:
    try:
        return msgspec.json.decode(body, type=Raw)
    except msgspec.MsgspecError:
        return None
