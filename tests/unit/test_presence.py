"""What coordinators tell one another of their viewers, however many rooms they have."""

from types import SimpleNamespace

import pytest
from nats.js.api import StreamInfo
from prometheus_client import REGISTRY

from bus.errors import BusUnavailable
from bus.feed import Feed
from coordinator.connections import Connections
from coordinator.encodings import websocket
from coordinator.fanout import FanOut
from coordinator.hub import Hub
from coordinator.presence import Count, Peers
from coordinator.room import Room
from coordinator.room_metrics import note_screens
from protocol import subjects
from protocol.frames import Screens
from runtime.background import background
from support.waiting import until

MAX_PAYLOAD = 64 * 1024
SCREENS = Screens(reporting=1, in_step=1, worst_error_ms=12.3)


class Bus:
    """A bus that keeps what was published, and the others' ears."""

    tracing = None

    def __init__(self) -> None:
        self.client = self
        self.on_disconnect: list[object] = []
        self.payloads: list[bytes] = []

    async def publish(self, subject: str, payload: bytes) -> None:
        assert subject == subjects.PRESENCE
        assert len(payload) < MAX_PAYLOAD
        self.payloads.append(payload)


async def peers(bus: Bus) -> Peers:
    feed = Feed(bus, no_stream)  # type: ignore[arg-type]
    return Peers(bus, Hub("coordinator-1", Connections(ring=None), feed))  # type: ignore[arg-type]


async def no_stream() -> StreamInfo:
    raise BusUnavailable("there is none")


async def hear(peers: Peers, payloads: list[bytes], subject: str = subjects.PRESENCE) -> None:
    for payload in payloads:
        await peers._on_presence(SimpleNamespace(subject=subject, data=payload))  # type: ignore[arg-type]


def rooms(count: int) -> dict[str, Count]:
    return {f"{number:05}{'x' * 59}": Count(1_000_000, SCREENS) for number in range(count)}


@pytest.mark.parametrize("count", [0, 1, 299, 300, 301, 5000])
async def test_any_number_of_rooms_fits_on_the_bus(count: int) -> None:
    bus = Bus()
    here, there = await peers(bus), await peers(Bus())
    await here._send(rooms(count))
    await hear(there, bus.payloads)
    assert there.remote_counts() == dict.fromkeys(rooms(count), 1_000_000)


async def test_rooms_that_are_empty_again_are_forgotten() -> None:
    bus = Bus()
    here, there = await peers(bus), await peers(Bus())
    await here._send(rooms(1000))
    await here._send(rooms(10))
    await hear(there, bus.payloads)
    assert len(there.remote_counts()) == 10
    await here._send({})
    await hear(there, bus.payloads[-1:])
    assert there.remote_counts() == {}


async def test_what_was_said_in_part_only_does_not_count_yet() -> None:
    bus = Bus()
    here, there = await peers(bus), await peers(Bus())
    await here._send(rooms(10))
    await here._send(rooms(1000))
    await hear(there, bus.payloads[:-1])
    assert len(there.remote_counts()) == 10
    await here._send(rooms(20))
    await hear(there, bus.payloads[-1:])
    assert len(there.remote_counts()) == 20


async def test_what_the_stream_was_made_to_deliver_is_no_presence() -> None:
    bus = Bus()
    here, there = await peers(bus), await peers(Bus())
    await here._send(rooms(1))
    await hear(there, bus.payloads, "countdown.main.message")
    assert there.remote_counts() == {}


async def test_asking_what_screens_report_sums_up_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    sums: list[str] = []

    def screens(room: Room) -> Screens:
        sums.append(room.name)
        return SCREENS

    monkeypatch.setattr(Room, "screens", screens)
    connections = Connections(ring=None)
    hub = Hub("coordinator-1", connections, Feed(Bus(), no_stream))  # type: ignore[arg-type]
    room = hub.rooms["main"] = Room("main", "coordinator-1", connections)
    room.groups[websocket(1, True, True)] = FanOut(None)
    here = Peers(Bus(), hub)  # type: ignore[arg-type]

    async def is_published() -> bool:
        return here.screens("main") == SCREENS

    async with background(here.publish()):
        await until(is_published)
        told = len(sums)
        for _ in range(100):
            here.screens("main")
    assert len(sums) == told


def test_the_metrics_sum_up_what_the_screens_of_all_rooms_report() -> None:
    some = Screens(reporting=3, in_step=2, worst_error_ms=12.5)
    note_screens([some, Screens(), some, Screens(reporting=1, in_step=1, worst_error_ms=80.0)])
    assert [figure(name) for name in FIGURES] == [7, 5, 0.08]
    note_screens([])
    assert [figure(name) for name in FIGURES] == [0, 0, 0]


FIGURES = ("tminus_screens", "tminus_screens_in_step", "tminus_screen_error_seconds")
figure = REGISTRY.get_sample_value
