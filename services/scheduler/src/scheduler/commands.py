"""The commands of people: start a run, cancel it."""

import asyncio
import uuid
from collections.abc import Callable
from itertools import chain, repeat
from typing import TypeVar

import msgspec

from bus.errors import BusError, BusTimeout, ServiceError
from protocol import events, requests, rules
from protocol.events import Cancelled, Started
from protocol.requests import Cancel, RequestError, Start
from protocol.rules import Countdown, NothingToCancel, NotUnderstood, OtherTerms, RunUnderWay
from runtime.clock import whole_now_ms
from runtime.logs import logger

from .appender import Conflict
from .event_store import EventStore
from .load import RETRY_AFTER_SECONDS, TooMuch

E = TypeVar("E", Started, Cancelled)
R = TypeVar("R", Start, Cancel)

log = logger(__name__)

ANSWER_SECONDS = 0.8
"""When to give up and answer 503: callers wait for about a second."""
NEWS_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02)
"""Delays before reading again what a refused append did not know of; the last one repeats for as
long as the caller waits."""


class Commands:
    """The endpoints `scheduler.start` and `scheduler.cancel`."""

    def __init__(self, store: EventStore, instance: str) -> None:
        self._store = store
        self._instance = instance

    async def start(self, payload: bytes) -> bytes:
        """Start a run; the reply is its `started` event.

        Raises ServiceError 400, 409 (the body is the last event of the run under way), 422 (the
        body is the last event of the run that has other terms), 429 (there are too many runs;
        nothing is stored) or 503.
        """
        new_run, is_admitted = uuid.uuid4().hex, False

        def decide(countdown: Countdown, request: Start) -> Started:
            nonlocal is_admitted
            event = rules.start(countdown, request, whole_now_ms(), new_run, self._instance)
            if not is_admitted and not rules.has_happened(countdown, event):
                self._store.load.check(event)
                is_admitted = True  # once: later it may have been stored without an answer
            return event

        return await self._carry_out(payload, Start, decide)

    async def cancel(self, payload: bytes) -> bytes:
        """Cancel the run under way; the reply is its `cancelled` event.

        Raises ServiceError 400, 404, 409 (another run is under way; the body is its last event) or
        503.
        """
        return await self._carry_out(
            payload,
            Cancel,
            lambda countdown, request: rules.cancel(countdown, request, self._instance),
        )

    async def _carry_out(
        self, payload: bytes, kind: type[R], decide: Callable[[Countdown, R], E]
    ) -> bytes:
        """Store what `decide` returns for the request's room; the reply is the event."""
        try:
            request = requests.decode(payload, kind)
            async with asyncio.timeout(ANSWER_SECONDS):
                event = await self._store_decision(request, decide)
        except RequestError as error:
            raise ServiceError(400, str(error)) from None
        except NothingToCancel:
            raise ServiceError(404, f"nothing to cancel in room {request.room!r}") from None
        except RunUnderWay as error:
            raise ServiceError(409, str(error), events.encode(error.last)) from None
        except OtherTerms as error:
            raise ServiceError(422, str(error), events.encode(error.last)) from None
        except TooMuch as error:
            raise ServiceError(429, str(error), retry_after=RETRY_AFTER_SECONDS) from None
        except NotUnderstood as error:
            raise ServiceError(503, str(error)) from None
        except BusError as error:
            raise ServiceError(503, f"the stream can't be reached: {error}") from None
        except TimeoutError:
            raise ServiceError(503, "the stream did not acknowledge the event in time") from None
        log.info(kind.__name__.lower(), room=event.room, run=event.run)
        return events.encode(event)

    async def _store_decision(self, request: R, decide: Callable[[Countdown, R], E]) -> E:
        """Append the event that `decide` returns for the room's countdown.

        1. Decide on what is known. An event that has happened already is the answer. That and a
           refusal count only if the room has just been read: what was folded may lag behind.
        2. Append, expecting that nothing else has happened in the room.
        3. If something has, or no answer came, read the room and go to 1. An append without an
           answer may have been stored: then the event has happened.
        """
        room, is_fresh, was_appended = request.room, False, False
        pauses = chain(NEWS_SECONDS, repeat(NEWS_SECONDS[-1]))
        while True:
            countdown = self._store[room]
            try:
                event = decide(countdown, request)
                # From now on this run is meant, whatever happens in the room.
                request = msgspec.structs.replace(request, run=event.run)
                if not rules.has_happened(countdown, event):
                    was_appended = True
                    await self._store.append(event, countdown)
                    return event
                if is_fresh:
                    return event
            except (RunUnderWay, NothingToCancel, NotUnderstood, OtherTerms):
                if is_fresh:
                    raise
            except (Conflict, BusTimeout):
                pass
            is_fresh = await self._read(room)
            if was_appended and self._store[room] is countdown:
                await asyncio.sleep(next(pauses))

    async def _read(self, room: str) -> bool:
        """Fold what the stream holds of the room; false if that can't be known at the moment."""
        try:
            await self._store.refresh(room)
        except BusError:
            await asyncio.sleep(NEWS_SECONDS[-1])
            return False
        return self._store.is_current
