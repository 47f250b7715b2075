"""A room's viewers: what is sent to all of them at once, and what to one that comes or lagged."""

import asyncio

from protocol.frames import Hello, Ping, Pong, Screens
from runtime.clock import now_ms, whole_now_ms

from .crowd import Crowd
from .history import History
from .seats import Seats
from .situation import Situation
from .viewer import Viewer, WebSocketViewer
from .wire import Wire

REPORT_SECONDS = 10.0
"""A viewer's report of itself is out of date after this long."""
SETTLING_SECONDS = 0.5
"""A viewer that shows the entry before the last one is in step for this long after the last."""
GATHER_SECONDS = 0.01
"""A frame that another one follows at once waits this long for it: two writes become one."""
ASIDE_SECONDS = 1.0
"""Frames that can wait are never sent more often than this."""
NO_SCREENS = Screens(reporting=0, in_step=0, worst_error_ms=None)
ASIDE_VIEWERS_A_SECOND = 1000
"""Alone they are sent so rarely, in a large room, that this many viewers get one in a second."""


class Room:
    """The viewers of one room on this coordinator."""

    __slots__ = (
        "_aside",
        "_aside_at",
        "_changed_at",
        "_crowd",
        "_flushed_seq",
        "_is_flushed_soon",
        "_pending",
        "_previous_seq",
        "_reported_at",
        "_situation",
        "history",
        "name",
        "seats",
        "told_viewers",
    )

    def __init__(self, name: str, situation: Situation, crowd: Crowd, floor: int) -> None:
        self.name = name
        self._situation = situation
        self._crowd = crowd
        self.history = History(floor)
        self.seats: dict[type[Viewer], Seats] = {}
        """The viewers by kind, since what they are sent is encoded once for each."""
        self.told_viewers = 0
        self._pending: list[Wire] = []
        self._is_flushed_soon = False
        self._flushed_seq = 0
        self._previous_seq = 0
        self._changed_at = 0.0
        self._reported_at = -REPORT_SECONDS
        self._aside: Wire | None = None
        self._aside_at = 0.0

    def __len__(self) -> int:
        return sum(map(len, self.seats.values()))

    @property
    def total(self) -> int:
        """How many viewers the room has, other coordinators' included."""
        return len(self) + self._situation.elsewhere.get(self.name, 0)

    def publish(self, wire: Wire, is_first_of_two: bool = False) -> None:
        """Send a frame to all viewers, with all else that comes in this turn of the loop.

        The first of two that belong together waits for the second, if that does not tarry.
        """
        if wire.seq is not None:
            self._previous_seq, self._changed_at = self._flushed_seq, self._crowd.loop.time()
        if not self.seats or self._situation.is_beginning:
            self._flushed_seq = self.history.seq
            return
        self._pending.append(wire)
        if is_first_of_two:
            self._crowd.loop.call_later(GATHER_SECONDS, self.flush)
        elif not self._is_flushed_soon:
            self._is_flushed_soon = True
            self._crowd.loop.call_soon(self.flush)

    def mention(self, wire: Wire) -> None:
        """Send a frame that can wait, and replaces one that waits, along with the next that can't.

        Beside another frame it costs nothing. Alone it would keep the loop busy for as long as a
        tick does, a tenth of a second for ten thousand viewers, and a tick would come late for it.
        """
        self._aside = wire

    @property
    def has_aside(self) -> bool:
        """Whether a frame still waits for another to go with."""
        return self._aside is not None

    def send_aside(self) -> None:
        """Send the frame that waits alone, since no other has come, unless it is too soon."""
        time = self._crowd.loop.time()
        seconds = max(ASIDE_SECONDS, len(self) / ASIDE_VIEWERS_A_SECOND)
        if self._aside is not None and time - self._aside_at >= seconds:
            wire, self._aside, self._aside_at = self._aside, None, time
            self.publish(wire)

    def flush(self) -> None:
        """Write what is pending, to each viewer once."""
        self._flushed_seq = self.history.seq
        self._is_flushed_soon = False
        if not self._pending:
            return
        batch, self._pending = self._pending, []
        if self._aside is not None and self._crowd.loop.time() - self._aside_at >= ASIDE_SECONDS:
            batch.append(self._aside)
            self._aside, self._aside_at = None, self._crowd.loop.time()
        for kind, seats in self.seats.items():
            seats.write(kind.encode(batch))

    def join(
        self, viewer: Viewer, transport: asyncio.Transport, epoch: str, after: int | None
    ) -> None:
        """Tell a new viewer all it needs, then count it in: in one turn, so nothing is missed."""
        self.flush()
        viewer.transport = transport
        seats = self.seats.get(type(viewer))
        if seats is None:
            seats = self.seats[type(viewer)] = Seats(self._crowd.ring)
        seats.add(viewer)
        if viewer.lagging_since:
            seats.silence(viewer)
        if (
            after is not None
            and epoch == self._situation.epoch
            and after <= self._situation.position
        ):
            self._tell(viewer, *self.history.since(after))
        else:
            self._tell(viewer, self.history.first(), is_complete=after is None and not epoch)

    def leave(self, viewer: Viewer) -> None:
        """The viewer's connection has ended."""
        if seats := self._seats(viewer):
            seats.remove(viewer)
            if not seats:
                del self.seats[type(viewer)]
        self._crowd.forget(viewer)

    def heed(self, viewer: Viewer) -> None:
        """The viewer was written to alone."""
        if self._crowd.ring is not None and (seats := self._seats(viewer)):
            seats.heed(viewer)

    def part_with(self, viewer: Viewer) -> None:
        """The viewer's connection is being closed: nothing is sent after the word that says so."""
        if seats := self._seats(viewer):
            seats.silence(viewer)

    def end_soon(self, viewer: Viewer) -> None:
        """The viewer's connection was closed by us: see to it that it ends."""
        self._crowd.end_soon(viewer)

    def fall_behind(self, viewer: Viewer) -> None:
        """The viewer's buffers are full: it is sent nothing until they have drained."""
        if not viewer.lagging_since:
            viewer.lagging_since = self._crowd.loop.time()
            viewer.flushed_seq = self._flushed_seq
            if seats := self._seats(viewer):
                seats.silence(viewer)
            self._crowd.lagging.add(viewer)

    def catch_up(self, viewer: Viewer) -> None:
        """The viewer's buffers have drained: one hello, and what it has missed."""
        self.flush()
        viewer.lagging_since = 0.0
        self._crowd.lagging.discard(viewer)
        if not viewer.is_closing and (seats := self._seats(viewer)):
            seats.resume(viewer)
            if viewer.flushed_seq >= 0:
                self._tell(viewer, *self.history.since(viewer.flushed_seq))
            else:
                self._tell(viewer, self.history.first(), is_complete=False)

    def restart(self, floor: int) -> None:
        """The stream is another one: forget the old one's history; `greet_again` follows."""
        self._pending.clear()
        self.history = History(floor)
        self._flushed_seq = self._previous_seq = 0

    def greet_again(self) -> None:
        """Tell every viewer the state to go on from, since the stream is another one."""
        self.flush()
        for viewers in self.seats.values():
            for viewer in viewers:
                if not viewer.lagging_since and not viewer.is_closing:
                    self._tell(viewer, self.history.first(), is_complete=False)

    def on_ping(self, viewer: WebSocketViewer, ping: Ping) -> None:
        """Answer a ping at once; note what the viewer says of itself."""
        if viewer.transport is not None and not viewer.lagging_since:
            pong = Wire(Pong(id=ping.id, server_time=now_ms()))
            viewer.write(pong.websocket)
        if ping.seq is not None:
            time = self._crowd.loop.time()
            is_settling = time - self._changed_at < SETTLING_SECONDS
            viewer.is_in_step = ping.seq >= (
                self._previous_seq if is_settling else self.history.seq
            )
            viewer.reported_at = self._reported_at = time
            viewer.error_ms = ping.error_ms or 0.0

    def screens(self) -> Screens:
        """What the viewers have reported of themselves lately."""
        since = self._crowd.loop.time() - REPORT_SECONDS
        if self._reported_at <= since:
            return NO_SCREENS
        reporting = in_step = 0
        worst = None
        for viewer in self.seats.get(WebSocketViewer, ()):
            assert isinstance(viewer, WebSocketViewer)
            if viewer.reported_at > since:
                reporting += 1
                in_step += viewer.is_in_step
                worst = max(worst or 0.0, viewer.error_ms)
        return Screens(reporting=reporting, in_step=in_step, worst_error_ms=worst)

    def _seats(self, viewer: Viewer) -> Seats | None:
        """Where the viewer sits: nowhere before it has joined, though it may lag by then."""
        return self.seats[type(viewer)] if viewer.place >= 0 else None

    def _tell(self, viewer: Viewer, replayed: list[Wire], is_complete: bool) -> None:
        hello = Hello(
            room=self.name,
            epoch=self._situation.epoch,
            seq=self.history.seq,
            server_time=whole_now_ms(),
            instance=self._situation.instance,
            viewers=self.total,
            replayed=len(replayed),
            complete=is_complete,
            state=self.history.state,
        )
        greeting = Wire(hello, self._situation.epoch)
        if replayed:
            greeting.seq = None  # an event stream resumes behind what it has got, not behind this
        viewer.write(viewer.encode([greeting, *replayed]))
