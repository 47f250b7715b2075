"""The rooms by name: what the stream says goes in, what their viewers are told comes out."""

from bisect import bisect_right
from math import inf
from typing import Final

from prometheus_client import Counter, Gauge

from protocol import messages
from protocol.events import Started
from protocol.frames import MessageFrame, Viewers
from runtime.clock import now
from runtime.logs import logger
from runtime.rate_limit import Allowance
from runtime.rooms import drop, place, read_event
from runtime.stream import Entry

from .crowd import Crowd
from .io_uring import Ring
from .room import Room
from .situation import Situation
from .wire import Wire

log = logger(__name__)

ROOM_SIZES: Final = {"1.0": 1, "10.0": 10, "100.0": 100, "1000.0": 1000, "+Inf": inf}
"""Up to how many viewers the watched rooms are counted, as Prometheus writes it and as a number."""

_viewers = Gauge("tminus_viewers", "Viewers connected.")
_watched = Gauge("tminus_rooms_watched", "Rooms that have viewers.")
# Anybody may watch a room of any name, so no figure is one room's.
_watched_to = Gauge("tminus_room_viewers_bucket", "Watched rooms of `le` viewers or fewer.", ["le"])
_sent = Counter("tminus_frames_total", "Frames taken up for the viewers of a room.", ["type"])
_skipped = Counter("tminus_messages_skipped_total", "Messages over a room's allowance, not shown.")


class Hub:
    """The rooms of this coordinator."""

    def __init__(self, instance: str, ring: Ring | None = None) -> None:
        self.situation = Situation(instance)
        self.crowd = Crowd(ring)
        self.rooms: dict[str, Room] = {}
        self._allowances: dict[str, Allowance] = {}
        self._counts: dict[str, int] = {}
        """Frames taken up, by kind, that the metric does not count yet."""
        self._floor = 0

    def room(self, name: str) -> Room:
        """The room called `name`, made when first asked for."""
        room = self.rooms.get(name)
        if room is None:
            room = self.rooms[name] = Room(name, self.situation, self.crowd, self._floor)
        return room

    def begin(self, epoch: str, floor: int) -> None:
        """The stream is known, or is another one: forget the old one's rooms."""
        self._floor = floor
        self.situation.epoch, self.situation.position = epoch, 0
        self.situation.is_beginning = True
        self._allowances.clear()
        for room in self.rooms.values():
            room.restart(floor)
        for viewer in self.crowd.lagging:
            viewer.flushed_seq = -1

    def caught_up(self) -> None:
        """All that the stream held is taken in: tell viewers of another stream what it says."""
        if self.situation.is_beginning:
            self.situation.is_beginning = False
            for room in self.rooms.values():
                room.greet_again()

    def take_in(self, entry: Entry) -> None:
        """Take in an entry of the stream and send it on."""
        self.situation.position = max(self.situation.position, entry.seq)
        found = place(entry)
        if found is None:
            return
        name, kind = found
        is_first_of_two = False
        if kind == "events":
            event = read_event(entry, name)
            wire = self.room(name).history.add_event(entry.seq, event, self.situation.epoch)
            # The first tick of a run that starts at once is on its way already.
            is_first_of_two = isinstance(event, Started) and event.starts_at <= now()
        else:
            wire = self._message(name, entry)
        if wire is not None:
            self._counts[wire.kind] = self._counts.get(wire.kind, 0) + 1
            self.room(name).publish(wire, is_first_of_two)

    def at_stake(self) -> list[str]:
        """The rooms of which somebody would see that their history was removed."""
        return [
            name
            for name, room in self.rooms.items()
            if room.history.room.seq and (room.seats or room.history.room.is_counting)
        ]

    def last_event(self, name: str) -> int:
        """The sequence of the room's last event, as it was told; 0 is none."""
        return self.rooms[name].history.room.seq if name in self.rooms else 0

    def reset(self, name: str, last: Entry | None) -> None:
        """The room's history was removed up to `last`, its last event now: tell its viewers."""
        room = self.room(name)
        room.restart(self.situation.position)
        if last is not None:
            room.history.add_event(last.seq, read_event(last, name), self.situation.epoch)
        room.greet_again()

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
        return self.room(name).history.add_message(entry.seq, frame, self.situation.epoch)

    def tell_viewers(self, room: Room) -> None:
        """Tell a room how many viewers it has, where that has changed; called once a second.

        It goes with the room's next frame, or alone a second later.
        """
        has_waited = room.has_aside
        count = room.total
        if count != room.told_viewers:
            room.told_viewers = count
            room.mention(Wire(Viewers(room=room.name, count=count)))
        if has_waited:
            room.send_aside()

    def tidy(self) -> None:
        """Let go of rooms that somebody only looked at: any name can be asked for."""
        unused = [
            name for name, room in self.rooms.items() if not room.seats and not room.history.seq
        ]
        for name in unused:
            del self.rooms[name]

    def set_metrics(self) -> None:
        """Bring the metrics up to date."""
        for kind, taken_up in self._counts.items():
            _sent.labels(kind).inc(taken_up)
        self._counts.clear()
        sizes = sorted(len(room) for room in self.rooms.values() if room.seats)
        _viewers.set(sum(sizes))
        _watched.set(len(sizes))
        for label, most in ROOM_SIZES.items():
            _watched_to.labels(label).set(bisect_right(sizes, most))
