"""Reading the stream's entries: which event each is, and which are dropped."""

from prometheus_client import Counter

from protocol import events, subjects
from protocol.events import Event
from runtime.logs import logger
from runtime.metrics import from_zero

from .stream import Entry

log = logger(__name__)

dropped = from_zero(
    Counter(
        "tminus_dropped_total", "Invalid messages dropped, from the stream or the bus.", ["kind"]
    ),
    *("events", "message", "presence", "subject"),
)


def read_event(entry: Entry, room: str) -> Event | None:
    """The event of an entry of a room's events; garbage is logged, counted, and None."""
    try:
        return events.decode(entry.data, room)
    except events.EventError as error:
        drop("events", entry, str(error))
        return None


def is_event(entry: Entry) -> bool:
    """Whether an entry is a valid event of its room; nothing is logged or counted."""
    found = subjects.parse(entry.subject)
    if found is None:
        return False
    try:
        events.decode(entry.data, found[0])
    except events.EventError:
        return False
    return True


def place(entry: Entry) -> tuple[str, str] | None:
    """The room and kind of an entry; None, logged and counted, if its subject names no room."""
    found = subjects.parse(entry.subject)
    if found is None:
        drop("subject", entry, "not a room's name")
    return found


def drop(kind: str, entry: Entry, reason: str) -> None:
    """Log and count an entry that is invalid."""
    dropped.labels(kind).inc()
    found = subjects.parse(entry.subject)
    about = {"room": found[0]} if found is not None else {}
    log.warning("dropped", subject=entry.subject, seq=entry.seq, reason=reason[:200], **about)
