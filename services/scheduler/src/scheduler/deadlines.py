"""Every tick at its deadline: a timer for each run under way, and a task only while it appends.

The end of a planned hold is a deadline like any other, and so is the cancel of a run that has been
held without an end for too long.

All replicas do the same for the same room: they wait for the same absolute deadline and append the
same tick. One append is stored; the others are refused, or find the tick stored and skip theirs.
"""

import asyncio
from contextvars import copy_context
from typing import Never

from bus.connection import Bus
from bus.errors import BusError
from protocol import rules
from protocol.events import Cancelled, Event, Resumed, Terms
from protocol.rules import Countdown
from runtime.clock import now_ms, whole_now_ms
from runtime.logs import logger

from .appender import Conflict
from .clock_steps import ClockSteps
from .event_store import EventStore
from .grace import Grace, Turn
from .logged import trace_of
from .tick_queue import TickQueue

log = logger(__name__)

RETRY_SECONDS = 0.1
NEWS_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1)
"""Delays before reading again what a refused append did not know of: a replicated stream may refuse
it because of an entry that can't be read yet."""
ROOMS_A_TURN = 256
"""How many timers are set in one turn of the event loop, which ticks wait for."""


class Deadlines:
    """The rooms with a run under way: each has a timer, or a task that appends its tick.

    A run may be held without an end for `max_hold_ms` milliseconds; None is for ever.
    """

    def __init__(
        self, bus: Bus, store: EventStore, instance: str, max_hold_ms: int | None = None
    ) -> None:
        self._bus = bus
        self._store = store
        self._grace = Grace(instance)
        self._queue = TickQueue(self._begin)
        self._instance = instance
        self._max_hold_ms = max_hold_ms
        self._waiting: dict[str, tuple[Turn, asyncio.TimerHandle]] = {}
        self._appending: set[str] = set()
        self._group: asyncio.TaskGroup | None = None
        self._context = copy_context()
        """What timers and appends run in, whoever has set the timer: the trace of the request that
        started a run is not theirs."""
        store.on_change = self._wait_for_next

    async def run(self) -> Never:
        """Own the tasks that append; if one fails, this fails.

        Timers count by the monotonic clock, deadlines are times of the wall clock: whenever that is
        set, every timer is set again.
        """
        steps = ClockSteps()
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                while True:
                    await steps.next()
                    for number, room in enumerate(list(self._waiting)):
                        self._wait_for_next(room)
                        if number % ROOMS_A_TURN == 0:
                            await asyncio.sleep(0)
            finally:
                self._group = None
                for room in list(self._waiting):
                    self._stop_waiting(room)

    def _wait_for_next(self, room: str) -> None:
        """Something may have changed in the room: wait for its next tick, and for no other."""
        if room in self._appending:
            return  # its task does this at its end
        self._stop_waiting(room)
        countdown = self._store[room]
        due = rules.next_due(countdown, self._max_hold_ms)
        if due is not None and self._group is not None:
            self._set_timer(room, self._grace.turn(countdown, due))

    def _set_timer(self, room: str, turn: Turn) -> None:
        wait_ms = max(0.0, turn.wait_ms(now_ms()))
        timer = asyncio.get_running_loop().call_later(
            wait_ms / 1000, self._on_timer, room, turn, context=self._context
        )
        self._waiting[room] = turn, timer

    def _stop_waiting(self, room: str) -> None:
        if (waiting := self._waiting.pop(room, None)) is not None:
            turn, timer = waiting
            turn.end()
            timer.cancel()

    def _on_timer(self, room: str, turn: Turn) -> None:
        if turn.wait_ms(now_ms()) > 0:  # a timer is not exact, and more ticks may be due by now
            self._set_timer(room, turn)
        elif self._group is not None:
            self._stop_waiting(room)
            self._appending.add(room)
            self._queue.add(_starts_at(self._store[room]), room)

    def _begin(self, room: str) -> None:
        """It is the turn of the room's tick."""
        if self._group is not None:
            self._group.create_task(self._append_due(room), name=f"tick {room}")

    async def _append_due(self, room: str) -> None:
        """Append the room's tick, which is due, and wait for the next one."""
        try:
            await self._append(room)
        finally:
            self._appending.discard(room)
            self._wait_for_next(room)

    async def _append(self, room: str) -> None:
        """Append what is due; if that fails, read what the stream holds."""
        time, answered_after = asyncio.get_running_loop().time, None
        try:
            countdown = self._store[room]  # somebody else may have stored it meanwhile
            event = rules.decide(countdown, whole_now_ms(), self._instance, self._max_hold_ms)
            if event is None:
                return
            began = time()
            failure = await self._try_append(event, countdown)
            if failure is None:  # one that is refused has waited for no disk and no quorum
                answered_after = time() - began
        finally:
            self._queue.done(answered_after)
        if isinstance(failure, Conflict):
            await self._catch_up(room, countdown)
        elif failure is not None:
            # It may have been stored: the stream shows that as soon as it can be read.
            log.warning(
                "what is due is not stored yet",
                room=room,
                run=event.run,
                number=event.remaining,
                reason=str(failure),
                **trace_of(event),
            )
            await asyncio.sleep(RETRY_SECONDS)
            await self._refresh(room)
        elif isinstance(event, Resumed):
            log.info("a planned hold has ended", room=room, run=event.run, **trace_of(event))
        elif isinstance(event, Cancelled):
            log.info("cancelled a run held too long", room=room, run=event.run)

    async def _try_append(self, event: Event, expected: Countdown) -> Conflict | BusError | None:
        """Append the event; returns why it is not known to be stored."""
        try:
            await self._store.append(event, expected)
        except (Conflict, BusError) as failure:
            return failure
        return None

    async def _catch_up(self, room: str, countdown: Countdown) -> None:
        """Read what the append after `countdown` did not know of."""
        for pause in NEWS_SECONDS:
            await self._refresh(room)
            if self._store[room] is not countdown:
                return
            await asyncio.sleep(pause)
        last = countdown.last
        log.warning(
            "an append is refused, and the stream holds nothing new",
            room=room,
            run=last.run if last is not None else "",
            **trace_of(last),
        )

    async def _refresh(self, room: str) -> None:
        while True:
            try:
                await self._store.refresh(room)
            except BusError:
                await asyncio.sleep(RETRY_SECONDS)
                await self._bus.connected()
            else:
                return


def _starts_at(countdown: Countdown) -> int:
    """When the run starts: who has many ticks due at the same instants as those of others makes
    none late of a run that was there before."""
    return countdown.last.starts_at if isinstance(countdown.last, Terms) else 0
