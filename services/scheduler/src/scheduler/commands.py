"""The commands of people: start a run, hold, resume, adjust, recycle or cancel it."""

import asyncio
import uuid
from collections.abc import Callable
from itertools import chain, repeat
from typing import TypeVar

import msgspec

from bus.errors import BusError, BusTimeout, ServiceError
from protocol import changes, events, requests, rules
from protocol.events import Cancelled, Change, Started
from protocol.refusals import (
    NotHeld,
    NothingUnderWay,
    NotUnderstood,
    OtherTerms,
    Refusal,
    RunUnderWay,
)
from protocol.requests import Adjust, Cancel, Hold, Recycle, RequestError, Resume, Start
from protocol.rules import Countdown
from runtime.clock import whole_now_ms
from runtime.logs import logger

from .appender import Conflict
from .event_store import EventStore
from .load import RETRY_AFTER_SECONDS, TooMuch

R = TypeVar("R", Start, Hold, Resume, Adjust, Recycle, Cancel)
Rule = Callable[[Countdown, R, int, str, str], Started | Change | Cancelled]
"""What a command does to a countdown now: (countdown, request, now in ms, new id, scheduler)."""

log = logger(__name__)

ANSWER_SECONDS = 0.8
"""When to give up and answer 503: callers wait for about a second."""
NEWS_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02)
"""Delays before reading again what a refused append did not know of; the last one repeats for as
long as the caller waits."""


class Commands:
    """The endpoints `scheduler.start`, `.hold`, `.resume`, `.adjust`, `.recycle` and `.cancel`.

    The reply is the event. All raise ServiceError: 400 the field and what is wrong with it, 404
    nothing is under way, 409 with the last event of the run that is in the way as the body, 503.
    """

    def __init__(self, store: EventStore, instance: str, max_hold_ms: int | None = None) -> None:
        self._store = store
        self._instance = instance
        self._max_hold_ms = max_hold_ms

    async def start(self, payload: bytes) -> bytes:
        """Start a run.

        Also raises ServiceError 422 (the body is the last event of the run that has other terms) or
        429 (there are too many runs; nothing is stored).
        """
        is_admitted = False

        def start(countdown: Countdown, request: Start, now: int, id: str, by: str) -> Started:
            nonlocal is_admitted
            event = rules.start(countdown, request, now, id, by)
            if not is_admitted and not rules.has_happened(countdown, event):
                self._store.load.check(event)
                is_admitted = True  # once: later it may have been stored without an answer
            if self._store.traces is not None and not rules.has_happened(countdown, event):
                event = self._store.traces.started(event, now)
            return event

        return await self._carry_out(payload, Start, start)

    async def hold(self, payload: bytes) -> bytes:
        """Hold the run under way."""
        return await self._carry_out(payload, Hold, changes.hold)

    async def resume(self, payload: bytes) -> bytes:
        """Let the held run go on; 409 if it is not held."""
        return await self._carry_out(payload, Resume, changes.resume)

    async def adjust(self, payload: bytes) -> bytes:
        """Give the run under way more time, or less."""
        return await self._carry_out(payload, Adjust, changes.adjust)

    async def recycle(self, payload: bytes) -> bytes:
        """Take the held run back to a number; 409 if it is not held."""
        return await self._carry_out(payload, Recycle, changes.recycle)

    async def cancel(self, payload: bytes) -> bytes:
        """Cancel the run under way."""

        def cancel(
            countdown: Countdown, request: Cancel, _now: int, _id: str, by: str
        ) -> Cancelled:
            return rules.cancel(countdown, request, by)

        return await self._carry_out(payload, Cancel, cancel)

    async def _carry_out(self, payload: bytes, kind: type[R], rule: Rule[R]) -> bytes:
        """Store what `rule` says of the request's room; the reply is the event."""
        try:
            request = requests.decode(payload, kind)
            async with asyncio.timeout(ANSWER_SECONDS):
                event = await self._store_decision(request, rule)
        except RequestError as error:
            raise ServiceError(400, str(error)) from None
        except NothingUnderWay:
            doing = kind.__name__.lower()
            raise ServiceError(404, f"nothing to {doing} in room {request.room!r}") from None
        except (RunUnderWay, NotHeld) as error:
            raise ServiceError(409, str(error), events.encode(error.last)) from None
        except OtherTerms as error:
            raise ServiceError(422, str(error), events.encode(error.last)) from None
        except TooMuch as error:
            error.count()
            raise ServiceError(429, str(error), retry_after=RETRY_AFTER_SECONDS) from None
        except NotUnderstood as error:
            raise ServiceError(503, str(error)) from None
        except BusError as error:
            raise ServiceError(503, f"the stream can't be reached: {error}") from None
        except TimeoutError:
            raise ServiceError(503, "the stream did not acknowledge the event in time") from None
        log.info(kind.__name__.lower(), room=event.room, run=event.run)
        return events.encode(event)

    async def _store_decision(self, request: R, rule: Rule[R]) -> Started | Change | Cancelled:
        """Append the event that `rule` says for the room's countdown.

        1. Decide on what is known. An event that has happened already is the answer. That and a
           refusal count only if the room has just been read: what was folded may lag behind.
        2. Append, expecting that nothing else has happened in the room. What is due is appended
           before a change, and the change is decided on again.
        3. If something has, or no answer came, read the room and go to 1. An append without an
           answer may have been stored: then the event has happened, whatever has followed it.
        """
        room, is_fresh, was_appended, new_id = request.room, False, False, uuid.uuid4().hex
        unanswered: list[tuple[Started | Change | Cancelled, Countdown]] = []
        pauses = chain(NEWS_SECONDS, repeat(NEWS_SECONDS[-1]))
        while True:
            countdown, now, appended = self._store[room], whole_now_ms(), None
            try:
                event = rule(countdown, request, now, new_id, self._instance)
                # From now on this run is meant, whatever happens in the room.
                request = msgspec.structs.replace(request, run=event.run)
                if not rules.has_happened(countdown, event):
                    was_appended = True
                    due = rules.decide(countdown, now, self._instance, self._max_hold_ms)
                    if due is not None and isinstance(event, Change):
                        await self._store.append(due, countdown)
                        continue
                    appended = event
                    await self._store.append(event, countdown)
                    return event
                if is_fresh:
                    return event
            except (Refusal, RequestError, TooMuch):
                if is_fresh:
                    raise
            except Conflict:
                pass
            except BusTimeout:
                if appended is not None:
                    unanswered.append((appended, countdown))
            is_fresh = await self._read(room)
            if (stored := await self._find_stored(unanswered)) is not None:
                return stored
            if was_appended and self._store[room] is countdown:
                await asyncio.sleep(next(pauses))

    async def _find_stored(
        self, unanswered: list[tuple[Started | Change | Cancelled, Countdown]]
    ) -> Started | Change | Cancelled | None:
        """Which of these events was stored after all, each appended to a countdown as it was."""
        for event, expected in unanswered:
            while True:
                try:
                    if await self._store.was_stored(event, expected):
                        return event
                    break
                except BusError:
                    await asyncio.sleep(NEWS_SECONDS[-1])
        return None

    async def _read(self, room: str) -> bool:
        """Fold what the stream holds of the room; false if that can't be known at the moment."""
        try:
            await self._store.refresh(room)
        except BusError:
            await asyncio.sleep(NEWS_SECONDS[-1])
            return False
        return self._store.is_current
