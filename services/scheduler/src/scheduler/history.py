"""The rooms' histories as a writer sees them: what is folded, and appends that compare and set."""

from collections.abc import Callable, Iterator

import nats.js.errors
from prometheus_client import Histogram

from protocol import events, rules, subjects
from protocol.events import Event, Tick
from protocol.rules import Room
from runtime.bus import Bus, BusUnavailable, bus_errors
from runtime.clock import now
from runtime.rooms import Rooms, is_event, place, read_event
from runtime.stream import Entry, epoch_of

from .appends import Appends

_late = Histogram(
    "tminus_tick_stored_late_seconds",
    "From when a tick was due to when it was known to be stored.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5, 30),
)


class History:
    """What has happened in every room, and the one way to add to it."""

    def __init__(self, bus: Bus, on_change: Callable[[str], None]) -> None:
        self._bus = bus
        self._appends = Appends(bus)
        self._rooms = Rooms()
        self._on_change = on_change
        self._epoch = ""

    def __getitem__(self, name: str) -> Room:
        return self._rooms[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rooms)

    def check(self) -> str | None:
        """For `/readyz`."""
        return self._appends.check()

    def begin(self, epoch: str, floor: int) -> None:
        """The stream is another one: forget the old one's rooms."""
        del floor
        self._epoch = epoch
        names = list(self._rooms)
        self._rooms.clear()
        for name in names:
            self._on_change(name)

    def fold(self, entry: Entry) -> None:
        """Take in an entry of the stream; our own appends are known already."""
        if (found := place(entry)) is not None:
            self._fold(found[0], entry)

    async def append(self, event: Event, expected: Room) -> None:
        """Store `event` if `expected` is still all that happened in its room, and fold it.

        Raises Conflict where it is not, BusTimeout where nobody knows, BusUnavailable where the
        stream takes nothing.
        """
        subject, payload = subjects.events(event.room), events.encode(event)
        seq = await self._appends.append(subject, payload, expected.seq)
        if isinstance(event, Tick) and event is not expected.last:
            _late.observe(max(0.0, now() - event.due_at) / 1000)
        self._take(event.room, seq, event)

    async def refresh(self, name: str) -> bool:
        """Fold what the stream holds of the room now; gives whether that was any news.

        Where it holds less than was known, somebody has removed entries, or they have aged out: a
        run under way goes on behind what is left. Raises BusError where the stream can't be read.
        """
        before = self._rooms[name]
        with bus_errors("the stream"):
            last = await self._read(name)
            # The last event is the whole state; what is no event says nothing of those before it.
            while last is not None and not is_event(last):
                entry = await self._read(name, self._rooms[name].seq)
                if entry is None or entry.seq >= last.seq:
                    break
                self._fold(name, entry)
        if last is not None:
            self._fold(name, last)
        seq = last.seq if last is not None else 0
        if seq < before.seq and self._rooms[name] is before:
            await self._check_epoch()
        if seq < before.seq and self._rooms[name] is before:
            self._rooms.put(name, rules.removed(before, seq))
            self._on_change(name)
        return self._rooms[name] is not before

    async def _check_epoch(self) -> None:
        """Raise BusUnavailable where the stream is another one, in which nothing was removed: what
        was known of the old one is about to be forgotten."""
        with bus_errors("the stream"):
            stream = await self._bus.jetstream.stream_info(subjects.STREAM)
        if self._epoch and epoch_of(stream) != self._epoch:
            raise BusUnavailable("the stream is another one")

    async def _read(self, name: str, after: int | None = None) -> Entry | None:
        """The room's last entry, or the next one `after` a sequence; None where there is none."""
        subject, jetstream = subjects.events(name), self._bus.jetstream
        try:
            if after is None:
                found = await jetstream.get_last_msg(subjects.STREAM, subject)
            else:
                found = await jetstream.get_msg(subjects.STREAM, after + 1, subject, next=True)
        except nats.js.errors.NotFoundError:
            return None
        return Entry(found.seq or 0, subject, found.data or b"", 0)

    def _fold(self, name: str, entry: Entry) -> None:
        if entry.seq > self._rooms[name].seq:
            self._take(name, entry.seq, read_event(entry, name))

    def _take(self, name: str, seq: int, event: Event | None) -> None:
        if self._rooms.fold(name, seq, event):
            self._on_change(name)
