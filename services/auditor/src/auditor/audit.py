"""All rooms as an auditor knows them, and the count of what broke a rule.

Most rules compare an event with the one before it, so one that was removed before the auditor read
it looks like one that never came. The stream removes the oldest first. So as long as it holds the
event before, nothing behind that is missing because it was removed: only then is it a violation.
"""

import asyncio
from contextlib import suppress
from typing import Never

import nats.js.errors
from msgspec import Struct
from prometheus_client import Counter, Gauge

from bus.connection import Bus
from bus.entries import place, read_event
from bus.errors import BusError, bus_errors
from bus.stream import Entry
from protocol import subjects
from protocol.events import Unknown
from runtime.logs import logger

from . import history
from .history import Event
from .room import Room, is_again
from .violations import KINDS, Violation

log = logger(__name__)

ROOMS_WITHOUT_A_RUN = 10_000
"""How many are kept in memory; of any other room the next event is taken as it is. Of those with a
run there are no more than schedulers admit."""
IN_DOUBT = 1000
"""The most events whose violations wait for a look into the stream; one more is not counted as one,
since so many at once come from a time in which the auditor was away."""
RETRY_SECONDS = 0.5

_violations = Counter("tminus_audit_violations_total", "Events that broke a rule.", ["kind"])
_ticks = Counter("tminus_audit_ticks_total", "Ticks checked against the event before them.")
_runs = Counter("tminus_audit_runs_total", "Runs checked up to their end.")
_gaps = Counter(
    "tminus_audit_gaps_total",
    "Events that could not be checked, since those before them were removed unread.",
)
_resets = Counter("tminus_audit_resets_total", "Times that the stream was recreated or restored.")
_in_doubt = Gauge(
    "tminus_audit_in_doubt", "Events with violations that wait for a look into the stream."
)
_rooms = Gauge("tminus_audit_rooms", "Rooms in memory.")
for _kind in KINDS:
    _violations.labels(_kind)


class _Doubt(Struct, frozen=True):
    """What is wrong with an event if the one before it is still in the stream."""

    before: Event
    event: Event
    found: list[Violation]


class Audit:
    """Folds every room, counts and logs violations."""

    def __init__(self, bus: Bus, max_skew_ms: float) -> None:
        self._bus = bus
        self._max_skew_ms = max_skew_ms
        self._rooms: dict[str, Room] = {}
        self._over: dict[str, None] = {}
        """The rooms without a run, the one that has been like this for longest first."""
        self._doubts: asyncio.Queue[_Doubt] = asyncio.Queue(IN_DOUBT)
        self._epoch = ""
        _rooms.set_function(lambda: len(self._rooms))

    def reset(self, epoch: str) -> None:
        """Begin with a stream, or start over: it was recreated, or restored from a backup."""
        if self._epoch:
            _resets.inc()
        self._epoch = epoch
        self._rooms.clear()
        self._over.clear()
        while not self._doubts.empty():
            self._doubts.get_nowait()
            _in_doubt.dec()

    def fold(self, entry: Entry) -> None:
        """Check an entry of the stream; garbage is counted and otherwise skipped."""
        if (found := place(entry)) is None:
            return
        name = found[0]
        known = read_event(entry, name)
        if known is None:
            return
        event = history.decode(entry.seq, entry.at, entry.data)
        if isinstance(known, Unknown) or event is None:
            # Only a newer version knows what it means, and so what may follow.
            self._rooms.pop(name, None)
            self._over.pop(name, None)
        else:
            self._take(name, event)

    def _take(self, name: str, event: Event) -> None:
        room = self._rooms.setdefault(name, Room())
        before = room.last
        found = room.take(event, self._max_skew_ms)
        if before is not None and not is_again(before, event):
            _ticks.inc(event.type == "tick")
            _runs.inc(event.is_end)
        for violation in found:
            if not violation.needs_previous:
                _count(event, violation)
        if before is not None:
            self._doubt(before, event, [one for one in found if one.needs_previous])
        self._over.pop(name, None)
        if event.is_end:
            self._over[name] = None
            if len(self._over) > ROOMS_WITHOUT_A_RUN:
                oldest = next(iter(self._over))
                del self._over[oldest], self._rooms[oldest]

    def _doubt(self, before: Event, event: Event, found: list[Violation]) -> None:
        if not found:
            return
        try:
            self._doubts.put_nowait(_Doubt(before, event, found))
            _in_doubt.inc()
        except asyncio.QueueFull:
            _gaps.inc()

    async def run(self) -> Never:
        """Look for the events before those in doubt, for ever."""
        while True:
            doubt, epoch = await self._doubts.get(), self._epoch
            is_there = await self._is_there(doubt.before)
            if epoch == self._epoch:
                _decide(doubt, is_there)
            _in_doubt.dec()

    async def _is_there(self, event: Event) -> bool:
        """Whether the stream still holds an event."""
        while True:
            await self._bus.connected()
            try:
                with bus_errors("the stream"), suppress(nats.js.errors.NotFoundError):
                    await self._bus.jetstream.get_msg(subjects.STREAM, event.seq)
                    return True
            except BusError:
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return False


def _decide(doubt: _Doubt, is_there: bool) -> None:
    event = doubt.event
    if is_there:
        for violation in doubt.found:
            _count(event, violation)
    else:
        _gaps.inc()
        log.info(
            "not checked: the event before was removed",
            room=event.room,
            run=event.run,
            seq=event.seq,
        )


def _count(event: Event, violation: Violation) -> None:
    _violations.labels(violation.kind).inc()
    log.error(
        "a rule was broken",
        kind=violation.kind,
        room=event.room,
        run=event.run,
        seq=event.seq,
        wrong=violation.what,
    )
