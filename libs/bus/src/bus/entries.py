"""The rooms as the stream tells them: the fold that every follower of it keeps."""

from collections.abc import Iterator

from prometheus_client import Counter

from protocol import events, rules, subjects
from protocol.events import Event
from runtime.logs import logger

from .stream import Entry

log = logger(__name__)

dropped = Counter("tminus_dropped_total", "What came over the bus and was dropped.", ["kind"])


class Rooms:
    """What is known of every room."""

    def __init__(self) -> None:
        self._rooms: dict[str, rules.Countdown] = {}

    def __getitem__(self, name: str) -> rules.Countdown:
        return self._rooms.get(name, _UNKNOWN)

    def __iter__(self) -> Iterator[str]:
        return iter(self._rooms)

    def clear(self) -> None:
        """Forget everything: the stream is another one."""
        self._rooms.clear()

    def put(self, name: str, room: rules.Countdown) -> None:
        """This is what is known of the room now."""
        if room == _UNKNOWN:
            self._rooms.pop(name, None)
        else:
            self._rooms[name] = room

    def fold(self, name: str, seq: int, event: Event | None) -> bool:
        """Take in the entry `seq` of a room's events; false where it was known already."""
        room = self[name]
        self._rooms[name] = rules.apply(room, seq, event)
        return seq > room.seq


_UNKNOWN = rules.Countdown()


def read_event(entry: Entry, room: str) -> Event | None:
    """The event that an entry of a room's events tells; garbage is logged, counted, and None."""
    try:
        return events.decode(entry.data, room)
    except events.EventError as error:
        drop("events", entry, str(error))
        return None


def is_event(entry: Entry) -> bool:
    """Whether an entry tells an event of its room; nothing is logged or counted."""
    found = subjects.parse(entry.subject)
    if found is None:
        return False
    try:
        events.decode(entry.data, found[0])
    except events.EventError:
        return False
    return True


def place(entry: Entry) -> tuple[str, str] | None:
    """The room and kind of an entry; None, logged and counted, where its subject names no room."""
    found = subjects.parse(entry.subject)
    if found is None:
        drop("subject", entry, "not a room's name")
    return found


def drop(kind: str, entry: Entry, reason: str) -> None:
    """Log and count an entry that means nothing to us."""
    dropped.labels(kind).inc()
    log.warning("dropped", subject=entry.subject, seq=entry.seq, reason=reason[:200])
