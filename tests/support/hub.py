"""The rooms of a coordinator, and what the stream delivers to them, without either's I/O."""

from functools import partial

from bus.connection import Bus
from bus.feed import Feed
from bus.stream import Entry, keep_stream, wanted
from coordinator.connections import Connections
from coordinator.hub import Hub
from coordinator.room import Room
from coordinator.settings import Settings
from protocol import events, rules, subjects
from protocol.requests import Start


async def new_hub() -> Hub:
    """A coordinator's rooms, without a bus."""
    settings = Settings()
    bus = Bus(settings, "coordinator")
    feed = Feed(bus, partial(keep_stream, bus, wanted(settings)))
    feed.epoch = "epoch-1"
    return Hub("coordinator-1", Connections(ring=None), feed)


def entries(count: int, name: str = "main") -> list[Entry]:
    """The first events of a run, as the stream has them."""
    room, stored = rules.Countdown(), []
    event: events.Event | None = rules.start(room, Start(room=name), 1000, "run-1", "scheduler-1")
    for seq in range(1, count + 1):
        assert event is not None
        stored.append(Entry(seq, subjects.events(name), events.encode(event), 1000))
        room = rules.apply(room, seq, event)
        event = rules.decide(room, 10_000_000, "scheduler-1")
    return stored


def room_of(hub: Hub, name: str = "main") -> Room:
    """The room, its past read: it has none."""
    room = hub.room(name)
    if not room.opened.is_set():
        hub.on_reset(name)
        hub.on_opened(name)
    return room
