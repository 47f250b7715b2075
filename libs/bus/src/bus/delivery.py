"""Delivering entries to a listener: what it raises ends the feed, since its entry is lost."""

from collections.abc import Callable
from typing import TYPE_CHECKING, ParamSpec, Protocol

from protocol import subjects

from .followed_room import FollowedRoom
from .stream import Entry

if TYPE_CHECKING:
    from .tracing import Tracing

P = ParamSpec("P")


class Listener(Protocol):
    """Receives the entries of the rooms that are open."""

    def on_reset(self, name: str) -> None:
        """The entries delivered so far are void; everything that the stream holds follows."""

    def on_entry(self, name: str, entry: Entry) -> None:
        """The room's next entry: each once, in rising order."""

    def on_opened(self, name: str) -> None:
        """Everything that the stream held of the room has been delivered."""


class Delivery:
    """Calls a listener, and notes how far each room was delivered."""

    _listener: Listener
    _on_failure: Callable[[], None]

    def __init__(self, tracing: "Tracing | None") -> None:
        self._tracing = tracing
        self.failure: Exception | None = None
        """What the listener raised; it is not called any more then."""
        self.highest = 0
        """The highest sequence delivered."""

    def to(self, listener: Listener, on_failure: Callable[[], None]) -> None:
        """Call this listener, and `on_failure` where it fails."""
        self._listener, self._on_failure = listener, on_failure

    def reset(self, room: FollowedRoom) -> None:
        """What was delivered of the room is void."""
        self._call(self._listener.on_reset, room.name)

    def opened(self, room: FollowedRoom) -> None:
        """The room's past has been delivered."""
        room.is_open = True
        self._call(self._listener.on_opened, room.name)

    def entry(self, room: FollowedRoom, entry: Entry) -> None:
        """Deliver the room's next entry."""
        if self._tracing is None or not room.is_open:  # a room's past is no news
            self._call(self._listener.on_entry, room.name, entry)
        else:
            self._traced(self._tracing, room, entry)
        room.last[entry.subject] = entry.seq
        room.has_new_events |= entry.subject == subjects.events(room.name)
        self.highest = max(self.highest, entry.seq)
        room.moved.set()

    def _traced(self, tracing: "Tracing", room: FollowedRoom, entry: Entry) -> None:
        subject, template = subjects.events(room.name), subjects.EVENTS_TEMPLATE
        if entry.subject != subject:  # anybody may send messages, and name any trace
            self._call(self._listener.on_entry, room.name, entry)
            return
        about = {"messaging.message.id": str(entry.seq), "tminus.room": room.name}
        with tracing.processing(subject, template, entry.headers, about):
            self._call(self._listener.on_entry, room.name, entry)

    def _call(self, callback: Callable[P, None], *details: P.args, **named: P.kwargs) -> None:
        if self.failure is not None:
            return
        try:
            callback(*details, **named)
        except Exception as error:
            # nats-py would log it and continue; here it ends the service.
            self.failure = error
            self._on_failure()
