"""Reading a room from the stream: everything after what was delivered, or of a flood a part."""

from collections.abc import Awaitable, Sequence

from prometheus_client import Counter

from protocol import subjects

from .direct import Batch, DirectGet
from .followed_room import FollowedRoom
from .stream import Entry

BATCH_ENTRIES = 64
FLOODED_BYTES = 256 * 1024
"""As much of a flood is read at once; the rest is skipped, since a tick behind it would wait."""

_reads = Counter("tminus_feed_reads_total", "Reads of a room from the stream.")
_floods = Counter("tminus_feed_floods_total", "Reads that skipped messages of a flooded room.")


class RoomReader:
    """Reads rooms by direct gets."""

    def __init__(self, direct: DirectGet) -> None:
        self._direct = direct

    async def read(
        self, room: FollowedRoom, likely: Sequence[str], is_flooded: bool
    ) -> list[Entry]:
        """The entries after those that were delivered, in rising order; raises BusError.

        The subjects that are `likely` to have some are read at once, the others if they have any.
        """
        _reads.inc()
        asked = self._direct.multi_last(list(room.last), min(room.last.values()) + 1)
        first = {subject: self._next(room, subject) for subject in likely}
        newest = await asked
        entries: list[Entry] = []
        for last in newest.entries:
            batch = await first[last.subject] if last.subject in first else None
            entries += await self._read_subject(room, last, batch, is_flooded)
        return sorted(entries, key=lambda entry: entry.seq)

    async def _read_subject(
        self, room: FollowedRoom, last: Entry, first: Batch | None, is_flooded: bool
    ) -> list[Entry]:
        """What the stream holds of a subject after the entries delivered, up to its `last` one.

        `first` is what was read already. Of a flood of messages the first part is read, and the
        rest is skipped.
        """
        is_flood = is_flooded and last.subject == subjects.messages(room.name)
        entries: list[Entry] = []
        size, start = 0, room.last[last.subject] + 1
        batch = first if first and first.up_to else None
        while start <= last.seq:
            batch = batch or await self._next(room, last.subject, start)
            entries += [entry for entry in batch.entries if entry.seq <= last.seq]
            size += sum(len(entry.data) for entry in batch.entries)
            if not batch.up_to:
                break
            start, batch = batch.up_to + 1, None
            if is_flood and size > FLOODED_BYTES:
                _floods.inc()
                break
        return entries

    def _next(self, room: FollowedRoom, subject: str, start: int = 0) -> Awaitable[Batch]:
        start = start or room.last[subject] + 1
        return self._direct.next_by_subject(subject, start, BATCH_ENTRIES)
