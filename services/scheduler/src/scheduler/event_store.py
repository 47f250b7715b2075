"""The rooms' events, folded from the stream, and the one way to append to them."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

import nats.js.errors
from prometheus_client import Histogram

from bus.connection import Bus
from bus.entries import is_event, place, read_event
from bus.errors import BusUnavailable, bus_errors
from bus.stream import Entry, epoch_of, stream_info
from protocol import events, rules, subjects
from protocol.events import Event, Tick, Unknown
from protocol.rules import Countdown
from runtime.clock import now_ms
from runtime.metrics import LATE_SECONDS

from .appender import Appender
from .load import Load

if TYPE_CHECKING:
    from .run_traces import RunTraces

_emitted_late = Histogram(
    "tminus_tick_emitted_late_seconds",
    "Delay from a tick's due time until the append that stored it was begun.",
    buckets=LATE_SECONDS,
)
_stored_late = Histogram(
    "tminus_tick_stored_late_seconds",
    "Delay from a tick's due time until it is known to be stored.",
    buckets=LATE_SECONDS,
)
_UNKNOWN = Countdown()
ROOMS_WITHOUT_A_RUN = 10_000
"""How many are kept in memory. A command for any other room has its append refused and then reads
the room."""


class EventStore:
    """The countdowns of all rooms with a run under way and of some others, and appends with an
    expected version.

    `on_change` is called with a room's name after its countdown has changed.
    """

    def __init__(self, bus: Bus, load: Load) -> None:
        self.load = load
        self._bus = bus
        self._appender = Appender(bus)
        self.traces = _run_traces(bus)
        """None if there are no traces."""
        self._countdowns: dict[str, Countdown] = {}
        self._over: dict[str, None] = {}
        """The rooms without a run, the one that has been like this for longest first."""
        self._removed: dict[str, int] = {}
        """The rooms with a run under way whose last event was removed, each with its sequence."""
        self._epoch = ""
        self.on_change: Callable[[str], None] = lambda room: None

    def __getitem__(self, room: str) -> Countdown:
        return self._countdowns.get(room, _UNKNOWN)

    def __iter__(self) -> Iterator[str]:
        return iter(self._countdowns)

    def last_seq(self, room: str) -> int:
        """The sequence of the room's last event, also if that was removed from the stream since."""
        return self._removed.get(room, self[room].seq)

    @property
    def is_current(self) -> bool:
        """Whether what is read of the stream is what it holds: a server that is cut off from the
        others reads it as it was."""
        return not self._bus.no_quorum

    def check(self) -> str | None:
        """For `/readyz`."""
        return self._appender.check()

    def reset(self, epoch: str) -> None:
        """The stream was recreated: forget what was in the old one."""
        self._epoch = epoch
        for room in list(self._countdowns):
            self._put(room, _UNKNOWN)

    def fold(self, entry: Entry) -> None:
        """Apply an entry of the stream; this replica's own appends are known already."""
        if (found := place(entry)) is not None:
            self._fold(found[0], entry)

    async def append(self, event: Event, expected: Countdown) -> None:
        """Store `event` if its room is still as `expected`, and fold it.

        Raises Conflict if it is not, BusTimeout if the outcome is unknown, BusUnavailable if the
        stream accepts nothing.
        """
        subject, payload = subjects.events(event.room), events.encode(event)
        begun_at = now_ms()
        if self.traces is None or event is expected.last or isinstance(event, Unknown):
            seq = await self._appender.append(subject, payload, expected.seq)
        else:
            store = partial(self._appender.append, subject, payload, expected.seq)
            seq = await self.traces.append(event, expected, store)
        if isinstance(event, Tick) and event is not expected.last:
            _emitted_late.observe(max(0.0, begun_at - event.due_at) / 1000)
            _stored_late.observe(max(0.0, now_ms() - event.due_at) / 1000)
        self._put(event.room, rules.apply(self[event.room], seq, event))

    async def refresh(self, room: str) -> bool:
        """Fold what the stream holds of the room now; returns whether anything changed.

        If it holds less than was known, entries were removed: a run under way goes on after what
        is left. Raises BusError if the stream can't be read.
        """
        before = self[room]
        with bus_errors("the stream"):
            last = await self._read(room)
            # The last event is the whole state; garbage says nothing about those before it.
            while last is not None and not is_event(last):
                entry = await self._read(room, self[room].seq)
                if entry is None or entry.seq >= last.seq:
                    break
                self._fold(room, entry)
        if last is not None:
            self._fold(room, last)
        seq = last.seq if last is not None else 0
        if self[room] is before and seq < before.seq:
            await self._check_epoch()
            if self[room] is before:
                removed = self.last_seq(room)
                self._put(room, rules.removed(before, seq))
                if self[room].is_under_way:
                    self._removed[room] = removed
        return self[room] is not before

    async def was_stored(self, event: Event, expected: Countdown) -> bool:
        """Whether `event` was appended to its room when that was as `expected`, whatever followed.
        Raises BusError if the stream can't be read."""
        with bus_errors("the stream"):
            entry = await self._read(event.room, expected.seq)
        return entry is not None and entry.data == events.encode(event)

    async def _check_epoch(self) -> None:
        """Raise BusUnavailable if the stream was recreated, so that nothing was removed from it:
        what was known of the old one is about to be forgotten."""
        with bus_errors("the stream"):
            stream = await stream_info(self._bus.jetstream)
        if self._epoch and epoch_of(stream) != self._epoch:
            raise BusUnavailable("the stream was recreated")

    async def _read(self, room: str, after: int | None = None) -> Entry | None:
        """The room's last entry, or the next one `after` a sequence; None if there is none."""
        subject, jetstream = subjects.events(room), self._bus.jetstream
        try:
            if after is None:
                found = await jetstream.get_last_msg(subjects.STREAM, subject)
            else:
                found = await jetstream.get_msg(subjects.STREAM, after + 1, subject, next=True)
        except nats.js.errors.NotFoundError:
            return None
        return Entry(found.seq or 0, subject, found.data or b"", 0)

    def _fold(self, room: str, entry: Entry) -> None:
        if entry.seq > self.last_seq(room):
            self._put(room, rules.apply(self[room], entry.seq, read_event(entry, room)))

    def _put(self, room: str, countdown: Countdown) -> None:
        before = self[room]
        if countdown is before:
            return
        self._over.pop(room, None)
        self._removed.pop(room, None)
        if countdown == _UNKNOWN:
            del self._countdowns[room]
        else:
            self._countdowns[room] = countdown
            if not countdown.is_under_way:
                self._over[room] = None
                self._forget_oldest()
        self.load.replace(before, countdown)
        self.on_change(room)

    def _forget_oldest(self) -> None:
        if len(self._over) > ROOMS_WITHOUT_A_RUN:
            room = next(iter(self._over))
            del self._over[room], self._countdowns[room]


def _run_traces(bus: Bus) -> "RunTraces | None":
    if bus.tracing is None:
        return None
    from .run_traces import RunTraces

    return RunTraces(bus.tracing)
