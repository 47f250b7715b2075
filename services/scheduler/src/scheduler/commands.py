"""What people may ask of the scheduler: start a run, cancel it."""

import asyncio
import uuid
from collections.abc import Callable
from itertools import chain, repeat
from typing import TypeVar

from bus.errors import BusError, BusTimeout
from bus.responder import Refused
from protocol import events, requests, rules
from protocol.events import Cancelled, Event, Started
from protocol.requests import Cancel, RequestError, Start
from protocol.rules import Countdown, NothingToCancel, NotUnderstood, RunUnderWay
from runtime.clock import whole_now_ms
from runtime.logs import logger

from .appends import Conflict
from .history import History

E = TypeVar("E", Started, Cancelled)

log = logger(__name__)

NEWS_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02)
"""When to read again what an append that was refused did not know of; the last one over and over,
for as long as the caller waits."""
ANSWER_SECONDS = 0.8
"""Who asks is told by then that the stream takes nothing: nobody waits for longer than a second."""


class Commands:
    """The endpoints `scheduler.start` and `scheduler.cancel`."""

    def __init__(self, history: History, instance: str) -> None:
        self._history = history
        self._instance = instance

    async def start(self, payload: bytes) -> bytes:
        """Start a run; the reply is its `started` event.

        Refused with 400, 409 (the body is the last event of the run under way) or 503.
        """
        run = uuid.uuid4().hex
        try:
            request = requests.decode(payload, Start)
            started = await self._carry_out(
                request.room,
                lambda room: rules.start(room, request, whole_now_ms(), run, self._instance),
            )
        except RequestError as error:
            raise Refused(400, str(error)) from None
        except RunUnderWay as error:
            raise Refused(409, str(error), events.encode(error.last)) from None
        log.info("started", room=started.room, run=started.run, starts_at=started.starts_at)
        return events.encode(started)

    async def cancel(self, payload: bytes) -> bytes:
        """Cancel the run under way; the reply is its `cancelled` event.

        Refused with 400, 404 or 503.
        """
        try:
            request = requests.decode(payload, Cancel)
            cancelled = await self._carry_out(
                request.room,
                lambda room: rules.cancel(room, self._instance),
            )
        except RequestError as error:
            raise Refused(400, str(error)) from None
        except NothingToCancel:
            raise Refused(404, f"nothing to cancel in room {request.room!r}") from None
        log.info("cancelled", room=cancelled.room, run=cancelled.run)
        return events.encode(cancelled)

    async def _carry_out(self, name: str, decide: Callable[[Countdown], E]) -> E:
        """Append what `decide` says of the room, or refuse it in words."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await self._try(name, decide)
        except NotUnderstood as error:
            raise Refused(503, str(error)) from None
        except BusError as error:
            raise Refused(503, f"the stream can't be reached: {error}") from None
        except TimeoutError:
            raise Refused(503, "the stream does not say in time that it has stored it") from None

    async def _try(self, name: str, decide: Callable[[Countdown], E]) -> E:
        """Append what `decide` says of the room.

        1. Decide on what is known of the room. A refusal counts only where the room was just read:
           what was folded may lag behind the stream.
        2. Append, expecting that nothing else has happened in the room.
        3. Where something has, or no answer came, read the room, and begin again with 1. An append
           without an answer may have been stored: then the room says so, and that is the answer.
        """
        is_fresh = False
        unacknowledged: E | None = None
        pauses = chain(NEWS_SECONDS, repeat(NEWS_SECONDS[-1]))
        while True:
            room = self._history[name]
            if unacknowledged and (stored := _as_stored(unacknowledged, room.last)) is not None:
                return stored
            try:
                event = decide(room)
                unacknowledged = event
                await self._history.append(event, room)
                return event
            except (RunUnderWay, NothingToCancel, NotUnderstood):
                if is_fresh:
                    raise
            except (Conflict, BusTimeout):
                pass
            is_fresh = await self._read(name)
            if self._history[name] is room and unacknowledged:
                await asyncio.sleep(next(pauses))

    async def _read(self, name: str) -> bool:
        """Fold what the stream holds of the room; false where that can't be had at the moment."""
        try:
            await self._history.refresh(name)
        except BusError:
            await asyncio.sleep(NEWS_SECONDS[-1])
            return False
        return True


def _as_stored(event: E, last: Event | None) -> E | None:
    """What the history that ends with `last` holds of what `event` was to bring about."""
    if last is None or last.run != event.run:
        return None
    if isinstance(event, Started):
        return event
    return last if isinstance(last, Cancelled) else None
