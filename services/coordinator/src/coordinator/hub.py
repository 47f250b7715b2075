"""All viewers of this coordinator: rooms by name, heartbeats, who lags, and the end."""

import asyncio
from contextlib import suppress
from typing import Never

from prometheus_client import Counter, Gauge

from protocol import messages
from protocol.frames import Bye, MessageFrame, Viewers
from runtime.logs import logger
from runtime.rooms import drop, place, read_event
from runtime.stream import Entry

from .allowance import Allowance
from .room import Room
from .viewer import GOING_AWAY, TRY_AGAIN_LATER, Viewer
from .wire import Wire

log = logger(__name__)

HEARTBEAT_TURNS = 20
"""Every viewer is asked whether it lives once in so many turns; a turn is a second."""
LAG_SECONDS = 10.0
CLOSING_SECONDS = 2.0
"""How long a viewer has to end the connection that we have closed."""

_viewers = Gauge("tminus_viewers", "Viewers connected.", ["room"])
_sent = Counter("tminus_frames_total", "Frames taken up for the viewers of a room.", ["type"])
_lagging = Gauge("tminus_viewers_lagging", "Viewers whose buffers are full.")
_ended = Counter("tminus_viewers_ended_total", "Connections that the coordinator ended.", ["why"])
_skipped = Counter("tminus_messages_skipped_total", "Messages over a room's allowance, not shown.")


class Hub:
    """The rooms, their viewers, and what concerns all viewers whatever their room."""

    def __init__(self, instance: str) -> None:
        self.instance = instance
        self.loop = asyncio.get_running_loop()
        self.epoch = ""
        self.position = 0
        """The last sequence of the stream that was taken in."""
        self.is_beginning = True
        """Whether the stream's past is being read, which viewers are told in one piece."""
        self.rooms: dict[str, Room] = {}
        self.lagging: set[Viewer] = set()
        self.elsewhere: dict[str, int] = {}
        """Viewers on other coordinators, by room."""
        self.count = 0
        self._allowances: dict[str, Allowance] = {}
        self._ending: dict[Viewer, float] = {}
        self._turns: list[set[Viewer]] = [set() for _ in range(HEARTBEAT_TURNS)]
        self._turn = 0
        self._floor = 0
        self._empty = asyncio.Event()

    def room(self, name: str) -> Room:
        """The room called `name`, made when first asked for."""
        room = self.rooms.get(name)
        if room is None:
            room = self.rooms[name] = Room(self, name, self._floor)
        return room

    def total(self, room: Room) -> int:
        """How many viewers the room has, other coordinators' included."""
        return len(room) + self.elsewhere.get(room.name, 0)

    def begin(self, epoch: str, floor: int) -> None:
        """The stream is known, or is another one: forget the old one's rooms."""
        self.epoch, self._floor, self.position = epoch, floor, 0
        self.is_beginning = True
        self._allowances.clear()
        for room in self.rooms.values():
            room.restart(floor)

    def caught_up(self) -> None:
        """All that the stream held is taken in: tell viewers of another stream what it says."""
        if self.is_beginning:
            self.is_beginning = False
            for room in self.rooms.values():
                room.greet_again()

    def take_in(self, entry: Entry) -> None:
        """Take in an entry of the stream and send it on."""
        self.position = max(self.position, entry.seq)
        found = place(entry)
        if found is None:
            return
        name, kind = found
        if kind == "events":
            room = self.room(name)
            wire = room.history.add_event(entry.seq, read_event(entry, name), self.epoch)
        else:
            wire = self._message(name, entry)
        if wire is not None:
            _sent.labels(wire.kind).inc()
            self.room(name).publish(wire)

    def _message(self, name: str, entry: Entry) -> Wire | None:
        try:
            text = messages.decode(entry.data)
        except messages.MessageError as error:
            drop("message", entry, str(error))
            return None
        allowance = self._allowances.setdefault(name, Allowance())
        was_spent = allowance.is_spent
        if not allowance.take(len(entry.data), entry.at):
            _skipped.inc()
            if not was_spent:
                log.warning("messages over the room's allowance are not shown", room=name)
            return None
        frame = MessageFrame(seq=entry.seq, room=name, text=text, at=entry.at)
        return self.room(name).history.add_message(entry.seq, frame, self.epoch)

    def welcome(self, viewer: Viewer) -> None:
        """Count a viewer in, before it joins its room."""
        self.count += 1
        viewer.turn = self.count % HEARTBEAT_TURNS
        self._turns[viewer.turn].add(viewer)
        self._empty.clear()

    def forget(self, viewer: Viewer) -> None:
        """Count a viewer out, once it has left its room."""
        self.count -= 1
        self._turns[viewer.turn].discard(viewer)
        self.lagging.discard(viewer)
        self._ending.pop(viewer, None)
        if not self.count:
            self._empty.set()

    def end_soon(self, viewer: Viewer) -> None:
        """See to it that a viewer whose connection we have closed is gone before long."""
        self._ending[viewer] = self.loop.time() + CLOSING_SECONDS

    def tell_viewers(self, room: Room) -> None:
        """Tell a room how many viewers it has, where that has changed; called once a second.

        It goes with the room's next frame, or alone a second later.
        """
        has_waited = room.has_aside
        count = self.total(room)
        if count != room.told_viewers:
            room.told_viewers = count
            room.mention(Wire(Viewers(room=room.name, count=count)))
        if has_waited:
            room.send_aside()

    async def sweep(self) -> Never:
        """Once a second: ask a part of the viewers whether they live, end who lags or is dead."""
        while True:
            await asyncio.sleep(1)
            now = self.loop.time()
            self._turn = (self._turn + 1) % HEARTBEAT_TURNS
            for viewer in list(self._turns[self._turn]):
                self._ask(viewer)
            for viewer in list(self.lagging):
                if now - viewer.lagging_since > LAG_SECONDS and not viewer.is_closing:
                    _ended.labels("slow").inc()
                    viewer.close(TRY_AGAIN_LATER, "too slow: try again later")
            for viewer, deadline in list(self._ending.items()):
                if now > deadline and viewer.transport is not None:
                    viewer.transport.abort()
            _lagging.set(len(self.lagging))

    def _ask(self, viewer: Viewer) -> None:
        if viewer.transport is None or viewer.is_closing or viewer.lagging_since:
            return
        if not viewer.is_heard:
            _ended.labels("dead").inc()
            viewer.transport.abort()
            return
        viewer.is_heard = not viewer.must_answer
        viewer.transport.write(viewer.heartbeat)

    async def end(self) -> None:
        """Tell every viewer to come back a little later, close, and wait until they are gone."""
        if not self.count:
            return
        # So wide that those who come back, each at a random instant of it, can be served in time.
        window_ms = 500 + self.count // 2
        bye = Wire(Bye(reason="shutting down", reconnect_ms=window_ms))
        for viewers in self._turns:
            for viewer in list(viewers):
                if viewer.transport is not None and not viewer.is_closing:
                    viewer.transport.write(viewer.encode([bye]))
                    viewer.close(GOING_AWAY, "shutting down")
        with suppress(TimeoutError):
            await asyncio.wait_for(self._empty.wait(), CLOSING_SECONDS)
        for viewers in self._turns:
            for viewer in list(viewers):
                if viewer.transport is not None:
                    viewer.transport.abort()


def set_viewer_gauges(hub: Hub) -> None:
    """Bring the metric of viewers by room up to date."""
    _viewers.clear()
    for room in hub.rooms.values():
        if room.audiences:
            _viewers.labels(room.name).set(len(room))
