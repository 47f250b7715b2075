"""One room that is followed: how far it was delivered, and the signals that there is more of it.

* The stream republishes events as it stores them, each with the sequence of the event before it.
  An event that directly follows the last one delivered is delivered at once: the fast path.
* A message is seen on its way into the stream. It has no sequence yet, and its headers are whatever
  a stranger chose, so it is only a hint: the stream is asked at once for the next one.

In all other cases (a gap, several hints, a lost connection) the room has to be read from the
stream.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from protocol import subjects

from .client import Client
from .direct import ask_for_next
from .errors import BusError, bus_errors
from .headers import entry_of, server_headers, status_of
from .inline import InlineSubscription
from .stream import Entry

HINTS = 64
"""After so many messages of a room the server sends no more of them, unless it is asked in time to
go on: a flood is read from the stream, as far as it is stored."""
FLOOD_SECONDS = 0.05
"""The pause before a flooded room is read and subscribed to again."""
FLOODED_SECONDS = 1.0
"""A room that has HINTS messages in less than this is flooded, for as long again."""
QUESTIONS = 4
"""How often the stream is asked for a message that is on its way, before the room is read."""
FAST_PATH_PAUSE_SECONDS = 0.5
"""For so long after a message was seen, or may have been published unseen, events do not take the
fast path, but are read with whatever else was stored: no message takes longer than that from being
published to being stored."""


class FollowedRoom:
    """A room that is followed.

    It calls `deliver` with an entry that is next, and `schedule_read` when it has to be read.
    `is_in_order` says whether an answer comes after every event that was stored before it.
    """

    __slots__ = (
        "_client",
        "_deliver",
        "_fast_path_from",
        "_flooded_until",
        "_hints",
        "_is_in_order",
        "_listens_again_at",
        "_listens_since",
        "_questions",
        "_reply",
        "_schedule_read",
        "_subscriptions",
        "_time",
        "attempts",
        "awaited",
        "has_new_events",
        "is_closed",
        "is_new",
        "is_open",
        "is_reading",
        "is_stale",
        "last",
        "moved",
        "name",
        "signalled",
        "timer",
    )

    def __init__(
        self,
        name: str,
        deliver: Callable[["FollowedRoom", Entry], None],
        schedule_read: Callable[["FollowedRoom"], None],
        is_in_order: Callable[[], bool],
    ) -> None:
        self.name = name
        self._deliver = deliver
        self._schedule_read = schedule_read
        self._is_in_order = is_in_order
        self._time = asyncio.get_running_loop().time  # kept: to ask for the loop is a system call
        self._client: Client | None = None
        self._reply = ""
        """Where the answers to its questions come, over this client."""
        self._subscriptions: dict[str, InlineSubscription] = {}
        self.last = {subjects.events(name): 0, subjects.messages(name): 0}
        """By subject, the sequence of the last entry delivered."""
        self.has_new_events = False
        """Whether any were delivered since the last comparison."""
        self.moved = asyncio.Event()
        """Set when `last` has moved on, or the room was read or closed: waiters check again."""
        self.is_open = False
        """Whether its past has been delivered."""
        self.is_closed = False
        """Whether it is not followed any more."""
        self.is_new = True
        """Whether it has to be read from the start."""
        self.is_stale = True
        """Whether the stream may hold more of it."""
        self.is_reading = False
        """Whether it waits to be read, or is being read."""
        self.signalled = 0
        """The highest sequence of an event that was seen; it may not have been delivered yet."""
        self.awaited = 0
        """How many messages were seen that have not been read from the stream yet."""
        self.attempts = 0
        """How many reads have not found what was signalled."""
        self.timer: asyncio.TimerHandle | None = None
        """When it is read again."""
        self._hints = 0
        """How many messages the current subscription has received."""
        self._questions = 0
        """How often the stream was asked for the latest message."""
        self._fast_path_from = 0.0
        """By the loop's clock; before that a message may be stored that has not been read."""
        self._listens_since = 0.0
        """By the loop's clock: when the subscription to messages was made."""
        self._listens_again_at = 0.0
        """By the loop's clock: when to have messages seen again, after so many."""
        self._flooded_until = 0.0
        """By the loop's clock; until then more messages come than are worth reading."""

    @property
    def position(self) -> int:
        """The sequence of the last entry delivered."""
        return max(self.last.values())

    @property
    def waits_for(self) -> list[str]:
        """The subjects of which something was signalled that has not been delivered."""
        events, messages = self.last
        return [events] * (self.signalled > self.last[events]) + [messages] * (self.awaited > 0)

    @property
    def is_flooded(self) -> bool:
        """Whether more messages come than are worth reading: a tick does not wait for them."""
        return self._time() < self._flooded_until

    @property
    def has_hints_left(self) -> bool:
        """Whether its next message will be seen."""
        return self._hints < HINTS

    def skip_messages(self) -> None:
        """Messages before the last entry delivered will not be delivered any more."""
        self.last[subjects.messages(self.name)] = self.position

    def pause_fast_path(self) -> None:
        """Messages may be on their way: read events with them, for FAST_PATH_PAUSE_SECONDS."""
        self._fast_path_from = self._time() + FAST_PATH_PAUSE_SECONDS

    async def subscribe(self, client: Client) -> None:
        """Receive the room's signals; does nothing if they are received. Raises BusError."""
        if self._client is not client:
            self._subscriptions.clear()  # those of the client before have ended with it
            events = subjects.live_events(self.name)
            self._subscriptions[events] = client.subscribe_inline(events, self._on_event)
            self._subscribe_to_messages(client)
            self._client, self._reply = client, client.inbox.expect(self._on_answer)
        elif not self.has_hints_left and self._time() >= self._listens_again_at:
            self._subscribe_to_messages(client)

    def _subscribe_to_messages(self, client: Client) -> None:
        """Subscribe for the next HINTS messages."""
        messages = subjects.messages(self.name)
        self._hints = 0
        self._listens_since = self._time()
        self.pause_fast_path()
        before = self._subscriptions.get(messages)
        self._subscriptions[messages] = client.subscribe_inline(
            messages, self._on_message, limit=HINTS
        )
        if before is not None:  # only now: a message that both receive is better than one unseen
            client.unsubscribe_soon(before)

    async def unsubscribe(self, client: Client) -> None:
        """Receive no more signals over `client`, the one that is connected."""
        if self.timer is not None:
            self.timer.cancel()
        if self._client is client:
            client.inbox.forget(self._reply)
            for subscription in self._subscriptions.values():
                with suppress(BusError), bus_errors("unsubscribing"):
                    await subscription.unsubscribe()
        self._client = None
        self._subscriptions.clear()

    def _on_event(self, _subject: bytes, _reply: bytes, headers: bytes, payload: bytes) -> None:
        """The stream has stored an event of the room."""
        if self.is_closed:
            return
        last = self.last[subjects.events(self.name)]
        added = server_headers(headers)
        entry = entry_of(added, payload, headers)
        if entry is None:
            self.is_stale = True
        elif entry.seq <= last:
            return
        elif self._may_take_fast_path(added, last) and entry.seq > self.position:
            self._deliver(self, entry)
            if self.is_flooded:
                self.skip_messages()
            return
        else:
            self.signalled = max(self.signalled, entry.seq)
        self._schedule_read(self)

    def _may_take_fast_path(self, headers: dict[bytes, bytes], last: int) -> bool:
        """Whether an event that has just come can be delivered at once: it is the next one after
        the event `last`, and no message can have been stored before it. In a flooded room one can,
        and is skipped."""
        if not self.is_open or headers.get(b"Nats-Last-Sequence") != b"%d" % last:
            return False
        return self.is_flooded or (not self.is_reading and self._time() > self._fast_path_from)

    def _on_message(self, *_: bytes) -> None:
        """Somebody has published a message: it will be in the stream in a moment."""
        if self.is_closed:
            return
        self.awaited += 1
        self.pause_fast_path()
        self._count_hint()
        self._questions = 0
        self._ask_or_read()

    def _count_hint(self) -> None:
        """Subscribe again once half of the HINTS have come, unless they come as fast as a flood; if
        all of them do, the room is flooded."""
        self._hints += 1
        now = self._time()
        self._listens_again_at = now + FLOOD_SECONDS
        listened = now - self._listens_since
        if self._hints == HINTS and listened < FLOODED_SECONDS:
            self._flooded_until = now + FLOODED_SECONDS
        elif self._hints >= HINTS / 2 and listened >= FLOODED_SECONDS * self._hints / HINTS:
            assert self._client is not None
            self._subscribe_to_messages(self._client)

    def _on_answer(self, headers: bytes, payload: bytes) -> None:
        """The message after the last one delivered; it may not be stored yet, or have been read
        meanwhile."""
        if self.is_closed:
            return
        entry = entry_of(server_headers(headers), payload, headers)
        if entry is None and status_of(headers)[0] == "404":
            self._ask_or_read()
        elif entry is not None and entry.seq > self.position and self._is_next_alone():
            self.awaited = 0
            self._deliver(self, entry)
        else:
            self._schedule_read(self)

    def _ask_or_read(self) -> None:
        """Ask for the next message; read the room instead if that is not all that may be missing,
        or if it was asked for often enough."""
        if self._client is None or self._questions == QUESTIONS or not self._is_next_alone():
            self._schedule_read(self)
            return
        self._questions += 1
        messages = subjects.messages(self.name)
        ask_for_next(self._client, messages, self.last[messages] + 1, self._reply)

    def _is_next_alone(self) -> bool:
        """Whether one message is all that may be missing, and all events before it are known."""
        is_quiet = self.is_open and not self.is_reading and self.has_hints_left
        return is_quiet and self.awaited == 1 and self._is_in_order()
