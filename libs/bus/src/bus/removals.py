"""Detecting entries that were removed from the stream: purged, deleted, too old or too many.

A subscriber learns what is stored and never what is removed. The stream's own state shows that
something was removed; then the rooms are compared to find which.
"""

from collections.abc import AsyncIterator, Mapping
from itertools import islice

import nats.js.errors
from msgspec import Struct

from protocol import subjects

from .connection import Bus
from .direct import MAX_SUBJECTS, DirectGet
from .errors import bus_errors
from .stream import Entry


class Kept(Struct, frozen=True):
    """What the stream keeps: this changes whenever entries are removed."""

    created: str
    first_seq: int
    gaps: int
    max_age_seconds: float
    """For how long it keeps entries; 0 is for ever."""


class Removals:
    """Looks for what was removed from the stream, or will be."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._direct = DirectGet(bus)

    async def next_state(self) -> Kept | None:
        """Wait for the next report of the stream, twice a second: what it keeps; None if there is
        no stream."""
        report = await self._bus.reports.next()
        if report is None:
            return None
        return Kept(
            created=report.created_at,
            first_seq=report.state.first_seq,
            gaps=report.state.num_deleted,
            max_age_seconds=report.config.max_age / 1e9,
        )

    async def missing(self, rooms: Mapping[str, int]) -> list[str]:
        """Those of `rooms`, each with its last event's sequence, of which the stream holds less.

        A replica of the stream may lag a little. Raises BusError.
        """
        found = {entry.subject: entry.seq async for entry in self._last_events(rooms)}
        return [name for name, seq in rooms.items() if found.get(subjects.events(name), 0) < seq]

    async def stored_before(self, at: float, rooms: Mapping[str, int]) -> list[str]:
        """Those of `rooms` whose last event was stored before `at`, in milliseconds since the Unix
        epoch. Raises BusError."""
        old = {entry.subject async for entry in self._last_events(rooms) if entry.at < at}
        return [name for name in rooms if subjects.events(name) in old]

    async def _last_events(self, rooms: Mapping[str, int]) -> AsyncIterator[Entry]:
        for start in range(0, len(rooms), MAX_SUBJECTS):
            names = islice(rooms, start, start + MAX_SUBJECTS)
            last = await self._direct.multi_last([subjects.events(name) for name in names])
            for entry in last.entries:
                yield entry

    async def is_missing(self, room: str, seq: int) -> bool:
        """Whether the stream holds less of a room than its event `seq`, as the stream's leader
        knows it, which does not lag. Raises BusError."""
        with bus_errors("the stream"):
            try:
                last = await self._bus.jetstream.get_last_msg(
                    subjects.STREAM, subjects.events(room)
                )
            except nats.js.errors.NotFoundError:
                return True
        return (last.seq or 0) < seq
