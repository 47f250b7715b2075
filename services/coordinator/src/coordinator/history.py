"""A room's history on a coordinator: its state, and its latest frames for replays."""

from collections import deque

from bus.stream import KEPT_ENTRIES
from protocol.events import Event
from protocol.frames import MessageFrame
from protocol.messages import ROOM_BURST_BYTES, ROOM_BYTES_A_SECOND
from protocol.rules import Countdown, apply
from protocol.state import State, state_of
from runtime.rate_limit import TokenBucket

from .prepared import PreparedFrame

MAX_EVENTS = 256
MAX_MESSAGES = 256
MAX_FIRST = 64
"""The most frames that a new viewer gets."""
RUN_FIRST = 12
"""How many of them are reserved for the run: all of one with the default eleven ticks."""


class History:
    """The frames that a room's viewers were sent, and those that a new one gets first.

    Events and messages are kept apart, so that many messages push no event out.
    """

    __slots__ = (
        "_event_floor",
        "_events",
        "_message_floor",
        "_messages",
        "_messages_stored",
        "_run_seq",
        "countdown",
        "message_budget",
        "seq",
    )

    def __init__(self, floor: int) -> None:
        """`floor` is the stream sequence up to which entries may be missing here."""
        self.countdown = Countdown()
        self.message_budget = TokenBucket(ROOM_BYTES_A_SECOND, ROOM_BURST_BYTES)
        """What may still be shown; a past that is read again is measured anew."""
        self.seq = 0
        """Sequence of the room's last entry, event or message."""
        self._events: deque[PreparedFrame] = deque()
        self._messages: deque[PreparedFrame] = deque()
        self._event_floor = self._message_floor = floor
        self._messages_stored: list[int] = []
        """Of the messages that the stream held at first, also of those that are not shown: the
        sequence of each, while the past is read."""
        self._run_seq = 0

    @property
    def state(self) -> State:
        """The room's state, for `hello`."""
        return state_of(self.countdown)

    def add_event(self, seq: int, event: Event | None, epoch: str) -> PreparedFrame | None:
        """Add an entry of the room's events; returns the frame to send, if it is new."""
        previous = self.countdown.last
        self.countdown = apply(self.countdown, seq, event)
        self.seq = seq
        if event is None or event == previous:
            return None  # stored again by a scheduler, since the first one was removed
        if previous is None or previous.run != event.run:
            self._run_seq = seq
        frame = PreparedFrame.of_event(seq, event, previous, epoch)
        self._events.append(frame)
        if len(self._events) > MAX_EVENTS:
            self._event_floor = self._events.popleft().seq or 0
        return frame

    def note_message(self, seq: int) -> None:
        """The past has a message, whether it is shown or not."""
        self._messages_stored.append(seq)

    def on_read(self) -> None:
        """The past is read. If the stream holds as many messages as it keeps of a room, there may
        have been others before them."""
        if len(self._messages_stored) >= KEPT_ENTRIES:
            self._message_floor = max(self._message_floor, self._messages_stored[0] - 1)
        self._messages_stored = []

    def add_message(self, seq: int, message: MessageFrame, epoch: str) -> PreparedFrame:
        """Add a message; returns the frame to send."""
        self.seq = seq
        frame = PreparedFrame.of(message, epoch)
        self._messages.append(frame)
        if len(self._messages) > MAX_MESSAGES:
            self._message_floor = self._messages.popleft().seq or 0
        return frame

    def first(self) -> list[PreparedFrame]:
        """The end of the current or last run and the latest messages, MAX_FIRST at most in all.

        RUN_FIRST of the run have priority over messages, and more of it if they leave room.
        """
        run = [frame for frame in self._events if (frame.seq or 0) >= self._run_seq]
        messages = list(self._messages)[-(MAX_FIRST - min(len(run), RUN_FIRST)) :]
        return _merge(run[-(MAX_FIRST - len(messages)) :], messages)

    def since(self, after: int) -> tuple[list[PreparedFrame], bool]:
        """The frames after the sequence `after`, and whether none of them is missing.

        If `after` has not been reached, the stream was restored from a backup, or this coordinator
        lags behind: what follows may have been sent before, or be something else.
        """
        events = [frame for frame in self._events if (frame.seq or 0) > after]
        messages = [frame for frame in self._messages if (frame.seq or 0) > after]
        is_complete = max(self._event_floor, self._message_floor) <= after <= self.seq
        return _merge(events, messages), is_complete


def _merge(events: list[PreparedFrame], messages: list[PreparedFrame]) -> list[PreparedFrame]:
    return sorted(events + messages, key=lambda frame: frame.seq or 0)
