"""The services behind the frontend: requests to them, and their errors in people's words."""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext, suppress
from typing import Annotated, TypeVar

import msgspec
import nats.js.errors
from aiohttp import web
from msgspec import Meta, Raw, Struct

from bus.connection import BUS
from bus.errors import BusError, BusTimeout, NoResponders, ServiceError, bus_errors
from protocol import messages, requests, subjects
from protocol.frames import RoomReply
from protocol.requests import Adjust, Cancel, Hold, Recycle, Resume
from protocol.state import State

from .message_limits import MESSAGE_LIMITS
from .problem import Problem, not_valid

T = TypeVar("T")

TIME_LIMIT_SECONDS = 0.9
"""The timeout of one attempt; with the second one it stays under two seconds."""
SHOWN_SECONDS = 0.25
SHOWN_TRIES = 50
"""How long, and with how many requests, to wait until a coordinator has an event."""


_SUBJECTS: dict[type[Struct], str] = {
    Hold: subjects.HOLD,
    Resume: subjects.RESUME,
    Adjust: subjects.ADJUST,
    Recycle: subjects.RECYCLE,
    Cancel: subjects.CANCEL,
}


class _Event(Struct):
    """An event, the fields used here."""

    type: str
    run: str
    change: str | None = None


class _Ack(Struct):
    """JetStream's acknowledgement of a message: of a refused one the sequence is 0."""

    seq: Annotated[int, Meta(ge=1)]
    duplicate: bool = False


async def state(app: web.Application, room: str) -> RoomReply:
    """The room's state, from a coordinator."""
    reply = await _ask(app, subjects.ROOM, requests.ReadRoom(room=room), "coordinator")
    return msgspec.json.decode(reply, type=RoomReply)


async def states(app: web.Application, rooms: Sequence[str]) -> list[RoomReply]:
    """The states of several rooms, in their order."""
    return await asyncio.gather(*(state(app, room) for room in rooms))


async def start(app: web.Application, request: requests.Start) -> Raw:
    """Start a run; returns its `started` event as JSON, once a coordinator has it."""
    request = msgspec.structs.replace(request, run=request.run or new_id())
    event = await _ask(app, subjects.START, request, "scheduler")
    run = msgspec.json.decode(event, type=_Event).run
    await _wait_until(app, request.room, lambda state: state.run == run)
    return Raw(event)


async def change(app: web.Application, request: Hold | Resume | Adjust | Recycle | Cancel) -> Raw:
    """Change or cancel the run that the request names, or else the one under way; returns the event
    as JSON, once a coordinator has it."""
    run = request.run or await _run_under_way(app, request.room)
    request = msgspec.structs.replace(request, run=run)
    if not isinstance(request, Cancel):
        request = msgspec.structs.replace(request, id=request.id or new_id())
    # Without a run, the second attempt could mean another run than the first.
    subject, is_repeatable = _SUBJECTS[type(request)], run is not None
    reply = await _ask(app, subject, request, "scheduler", is_repeatable=is_repeatable)
    event = msgspec.json.decode(reply, type=_Event)

    def is_shown(state: State) -> bool:
        if state.run != event.run or state.status == "cancelled":
            return True
        return event.type != "cancelled" and state.change == event.change

    await _wait_until(app, request.room, is_shown)
    return Raw(reply)


async def send(app: web.Application, room: str, text: str, id: str | None = None) -> None:
    """Send a message to the room; it is stored when this returns, once for each `id`."""
    if messages.is_blank(text):
        raise Problem(422, "A message needs some text.", field="text")
    try:
        payload = messages.encode(text)
    except messages.MessageError:
        raise Problem(
            413, f"A message has {messages.MAX_BYTES} bytes at most.", field="text"
        ) from None
    app[MESSAGE_LIMITS].take(room, len(payload), time.monotonic() * 1000)
    subject, header = subjects.messages(room), messages.id_header(room, id or new_id())
    try:
        reply = await _twice(lambda: app[BUS].request(subject, payload, TIME_LIMIT_SECONDS, header))
        ack = msgspec.json.decode(reply.data, type=_Ack)
        is_this = not ack.duplicate or await _holds(app, ack.seq, subject, payload)
    except (BusError, msgspec.MsgspecError):
        raise Problem(503, "The message could not be stored: try again in a moment.") from None
    if not is_this:
        raise Problem(422, "id: has been used for another message.", field="id")


def new_id() -> str:
    """An id that nobody else has, for a run, a change or a message."""
    return uuid.uuid4().hex


async def _holds(app: web.Application, seq: int, subject: str, payload: bytes) -> bool:
    """Whether the stream's entry `seq` is this message; true if the entry is gone."""
    with bus_errors("the stream"):
        try:
            entry = await app[BUS].jetstream.get_msg(subjects.STREAM, seq, direct=True)
        except nats.js.errors.NotFoundError:
            return True
    return (entry.subject, entry.data) == (subject, payload)


async def is_over(app: web.Application, room: str, run: str) -> bool:
    """Whether a coordinator tells at once that `run` is the room's last one, and is over."""
    with suppress(TimeoutError, Problem):
        async with asyncio.timeout(SHOWN_SECONDS):
            now = (await state(app, room)).state
            return now.run == run and now.status in ("finished", "cancelled")
    return False


async def _run_under_way(app: web.Application, room: str) -> str | None:
    """The run that a change without one means, so that it means the same when it is asked again;
    None if no coordinator tells of one at once."""
    with suppress(TimeoutError, Problem):
        async with asyncio.timeout(SHOWN_SECONDS):
            now = (await state(app, room)).state
            is_over = now.status == "finished" and now.after_zero == "stop"
            return None if is_over or now.status in ("idle", "cancelled", "unknown") else now.run
    return None


async def _wait_until(app: web.Application, room: str, is_shown: Callable[[State], bool]) -> None:
    """Wait a moment until a coordinator has the event, so that the next request sees it."""
    tracing = app[BUS].tracing
    with (
        tracing.covering("wait for a coordinator") if tracing else nullcontext(),
        suppress(TimeoutError, Problem),
    ):
        async with asyncio.timeout(SHOWN_SECONDS):
            for _ in range(SHOWN_TRIES):
                if is_shown((await state(app, room)).state):
                    return
                await asyncio.sleep(0.002)


async def _ask(
    app: web.Application,
    subject: str,
    request: Struct,
    service: str,
    *,
    is_repeatable: bool = True,
) -> bytes:
    payload = msgspec.json.encode(request)

    def attempt() -> Awaitable[bytes]:
        return app[BUS].ask(subject, payload, TIME_LIMIT_SECONDS)

    try:
        return await (_twice(attempt) if is_repeatable else attempt())
    except ServiceError as error:
        raise _problem(error, request) from None
    except NoResponders:
        # None is running, or those that are have more requests than they take: NATS says the same.
        raise Problem(503, f"No {service} takes requests at the moment: try again.") from None
    except BusTimeout:
        raise Problem(503, f"The {service} did not answer in time.") from None
    except BusError:
        raise Problem(503, "The message bus can't be reached at the moment.") from None


async def _twice(attempt: Callable[[], Awaitable[T]]) -> T:
    """What `attempt` returns, or its second one if the outcome of the first is unknown."""
    try:
        return await attempt()
    except BusTimeout:
        return await attempt()
    except ServiceError as error:
        if error.code != 503:
            raise
        return await attempt()


def _problem(error: ServiceError, request: Struct) -> Problem:
    last = _event(error.body)
    match error.code:
        case 400:
            return not_valid(error.description)
        case 404:
            doing = type(request).__name__.lower()
            return Problem(404, f"There is nothing to {doing}: no countdown is under way.")
        case 409 if isinstance(request, requests.Start):
            return Problem(409, "A countdown is already under way in this room.", event=last)
        case 409 if isinstance(request, Resume | Recycle) and last and _is_of(last, request.run):
            return Problem(409, "The countdown is not held.", event=last)
        case 409:
            return Problem(409, "Another countdown is under way in this room.", event=last)
        case 422:
            words = "run: has been started before, with other terms."
            return Problem(422, words, field="run", event=last)
        case 429:
            return Problem(429, _sentence(error.description), retry_after=error.retry_after or 1)
        case _:
            return Problem(503, error.description or "The service could not do it.")


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."


def _event(body: bytes) -> Raw | None:
    try:
        return msgspec.json.decode(body, type=Raw)
    except msgspec.MsgspecError:
        return None


def _is_of(event: Raw, run: str | None) -> bool:
    return run in (None, msgspec.json.decode(event, type=_Event).run)
