"""Comparing, once a second, what the stream holds of the rooms with what was delivered of them."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping

from prometheus_client import Counter

from .direct import MAX_SUBJECTS, DirectGet
from .followed_room import FollowedRoom

LOOKS_BACK = 5
"""How many comparisons an entry stays in, so that one finds it however far a replica lags."""

_lost = Counter(
    "tminus_feed_lost_signals_total", "Entries found only by the comparison once a second."
)


class Comparison:
    """Compares the last entries of `rooms` with what was delivered.

    It calls `schedule_read` with a room that has to be read.
    """

    def __init__(
        self,
        direct: DirectGet,
        rooms: Mapping[str, FollowedRoom],
        schedule_read: Callable[[FollowedRoom], None],
    ) -> None:
        self._direct = direct
        self._rooms = rooms
        self._schedule_read = schedule_read
        self._ends = deque([0], maxlen=LOOKS_BACK)
        """Where the stream ended at the latest comparisons."""

    def restart(self) -> None:
        """Compare everything: it is another stream."""
        self._ends = deque([0], maxlen=LOOKS_BACK)

    async def compare(self, end: int) -> None:
        """Compare what the stream, which ends with the sequence `end`, has got since the oldest of
        LOOKS_BACK comparisons; raises BusError."""
        if end > self._ends[0]:
            await self._find(since=self._ends[0])
        self._ends.append(end)

    async def _find(self, since: int) -> None:
        """Find the rooms of which the stream holds more than was delivered."""
        for asked in self._batches():
            found = await self._direct.multi_last(list(asked), max(1, since))
            for entry in found.entries:
                room = asked[entry.subject]
                if entry.seq > room.last[entry.subject] and not room.is_reading:
                    _lost.inc()
                    room.is_stale = True
                    self._schedule_read(room)

    def _batches(self) -> Iterator[dict[str, FollowedRoom]]:
        """What to ask for, by subject. If a room has just had an event, its next one shows a gap,
        or it is asked for when the room has become silent: a run would be received twice. A message
        shows no gap."""
        asked: dict[str, FollowedRoom] = {}
        for room in list(self._rooms.values()):
            events, messages = room.last
            asked[messages] = room
            if not room.has_new_events:
                asked[events] = room
            room.has_new_events = False
            if len(asked) + 2 > MAX_SUBJECTS:
                yield asked
                asked = {}
        if asked:
            yield asked
