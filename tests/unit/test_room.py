"""A room's viewers within one turn of the event loop, where nothing may be missed or doubled."""

import asyncio
import json

import pytest
from prometheus_client import REGISTRY, generate_latest

from coordinator.encodings import event_stream, websocket
from coordinator.event_stream import EventStreamViewer
from coordinator.hub import Hub
from coordinator.room_metrics import ROOM_SIZES
from coordinator.websocket import WebSocketViewer
from runtime.clock import now_ms
from support.hub import entries, new_hub, room_of


class Socket(asyncio.Transport):
    """A transport that remembers what was written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def close(self) -> None:
        """The test looks at what was written; there is nothing to close."""

    def is_closing(self) -> bool:
        return False

    @property
    def frames(self) -> list[dict[str, object]]:
        return [
            json.loads(line.removeprefix(b"data: "))
            for line in self.written.splitlines()
            if line.startswith(b"data: ")
        ]

    @property
    def seqs(self) -> list[object]:
        return [frame["seq"] for frame in self.frames if frame["type"] not in ("hello", "viewers")]


def join(
    hub: Hub,
    after: int | None = None,
    socket: Socket | None = None,
    name: str = "main",
    kind: type[EventStreamViewer | WebSocketViewer] = EventStreamViewer,
) -> tuple[EventStreamViewer | WebSocketViewer, Socket]:
    socket = socket or Socket()
    room = room_of(hub, name)
    is_web_socket = kind is WebSocketViewer
    viewer = kind(room, websocket(1, True, True) if is_web_socket else event_stream(True))
    hub.connections.add(viewer)
    room.join(viewer, socket, room.epoch, after)
    return viewer, socket


async def test_who_joins_in_the_turn_of_an_event_gets_it_once() -> None:
    hub = await new_hub()
    _, early = join(hub)
    for n, entry in enumerate(entries(6)):
        hub.on_entry("main", entry)
        if n == 2:
            _, late = join(hub)
            _, back = join(hub, after=1)
    await asyncio.sleep(0)
    assert early.seqs == [1, 2, 3, 4, 5, 6]
    assert late.seqs == [1, 2, 3, 4, 5, 6]
    assert back.seqs == [2, 3, 4, 5, 6]


async def test_what_comes_in_one_turn_is_written_once() -> None:
    hub = await new_hub()
    _, socket = join(hub)
    before = len(socket.written)
    for entry in entries(6):
        hub.on_entry("main", entry)
    assert len(socket.written) == before
    await asyncio.sleep(0)
    assert socket.seqs == [1, 2, 3, 4, 5, 6]


async def test_a_start_and_its_first_tick_are_written_once_though_they_come_apart() -> None:
    hub = await new_hub()
    _, socket = join(hub)
    started, tick = entries(2)
    hub.on_entry("main", started)
    await asyncio.sleep(0)
    assert socket.seqs == []
    hub.on_entry("main", tick)
    await asyncio.sleep(0)
    assert socket.seqs == [1, 2]


async def test_a_start_without_its_first_tick_is_told_all_the_same() -> None:
    hub = await new_hub()
    _, socket = join(hub)
    hub.on_entry("main", entries(1)[0])
    async with asyncio.timeout(1):
        while socket.seqs != [1]:
            await asyncio.sleep(0.001)


async def test_who_lags_is_skipped_and_then_told_what_it_missed() -> None:
    hub = await new_hub()
    viewer, socket = join(hub)
    stored = entries(6)
    for entry in stored[:2]:
        hub.on_entry("main", entry)
    await asyncio.sleep(0)
    viewer.pause_writing()
    for entry in stored[2:4]:
        hub.on_entry("main", entry)
    await asyncio.sleep(0)
    assert socket.seqs == [1, 2]
    hub.on_entry("main", stored[4])
    viewer.resume_writing()
    hub.on_entry("main", stored[5])
    await asyncio.sleep(0)
    assert socket.seqs == [1, 2, 3, 4, 5, 6]
    assert [frame["type"] for frame in socket.frames].count("hello") == 2


async def test_a_room_is_let_go_of_some_time_after_its_last_viewer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hub = await new_hub()
    viewer, _ = join(hub)
    hub.on_entry("main", entries(1)[0])
    monkeypatch.setattr("coordinator.hub.LINGER_SECONDS", 0)
    hub.drop_idle_rooms()
    assert set(hub.rooms) == {"main"}
    monkeypatch.setattr("coordinator.hub.LINGER_SECONDS", 30)
    viewer.connection_lost(None)
    hub.drop_idle_rooms()
    assert set(hub.rooms) == {"main"}
    monkeypatch.setattr("coordinator.hub.LINGER_SECONDS", 0)
    hub.drop_idle_rooms()
    assert not hub.rooms


async def test_a_room_that_was_waited_for_is_kept_as_if_it_had_been_watched() -> None:
    hub = await new_hub()
    loop = asyncio.get_running_loop()
    room = room_of(hub)
    await asyncio.sleep(0.01)
    before = loop.time()
    await asyncio.sleep(0.01)
    assert room.is_idle_since(before)
    assert await hub.opened("main", timeout=5) is room
    assert not room.is_idle_since(before)
    assert room.is_idle_since(loop.time())


async def test_a_room_is_kept_for_those_who_wait_to_come_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hub = await new_hub()
    monkeypatch.setattr("coordinator.hub.LINGER_SECONDS", 0)
    waiting = asyncio.create_task(hub.opened("main", timeout=5))
    await asyncio.sleep(0)
    hub.drop_idle_rooms()
    assert set(hub.rooms) == {"main"}
    room = room_of(hub)
    assert await waiting is room
    assert await hub.opened("other", timeout=0.01) is None


async def test_another_stream_is_told_in_one_piece_once_it_is_known() -> None:
    hub = await new_hub()
    _, socket = join(hub)
    for entry in entries(3):
        hub.on_entry("main", entry)
    await asyncio.sleep(0)
    hub._feed.epoch = "epoch-2"
    hub.on_reset("main")
    for entry in entries(4):
        hub.on_entry("main", entry)
    await asyncio.sleep(0)
    assert socket.seqs == [1, 2, 3]
    hub.on_opened("main")
    hello = [frame for frame in socket.frames if frame["type"] == "hello"][-1]
    assert (hello["epoch"], hello["complete"], hello["replayed"]) == ("epoch-2", False, 4)
    assert socket.seqs == [1, 2, 3, 1, 2, 3, 4]


async def test_the_number_of_viewers_goes_with_the_next_frame() -> None:
    hub = await new_hub()
    _, socket = join(hub)
    hub.tell_counts({})
    await asyncio.sleep(0)
    assert [frame["type"] for frame in socket.frames] == ["hello"]
    for entry in entries(2):
        hub.on_entry("main", entry)
    await asyncio.sleep(0)
    assert [frame["type"] for frame in socket.frames] == ["hello", "started", "tick", "viewers"]


async def test_the_number_of_viewers_goes_alone_where_no_other_frame_comes() -> None:
    hub = await new_hub()
    _, socket = join(hub)
    for _ in range(2):
        hub.tell_counts({})
    await asyncio.sleep(0)
    assert [frame["type"] for frame in socket.frames] == ["hello", "viewers"]


async def test_those_who_came_first_are_told_first() -> None:
    hub = await new_hub()
    told: list[Socket] = []

    class Listening(Socket):
        def write(self, data: bytes | bytearray | memoryview) -> None:
            told.append(self)

    sockets = [join(hub, socket=Listening())[1] for _ in range(100)]
    told.clear()
    for entry in entries(2):
        hub.on_entry("main", entry)
    await asyncio.sleep(0)
    assert told == sockets


async def test_nothing_is_sent_after_the_end_of_a_stream() -> None:
    hub = await new_hub()
    viewer, socket = join(hub)
    viewer.close(1013, "too slow")
    before = socket.written
    for entry in entries(2):
        hub.on_entry("main", entry)
    await asyncio.sleep(0)
    assert socket.written == before


async def test_the_metrics_count_the_frames_and_the_viewers() -> None:
    def counted() -> tuple[float | None, ...]:
        return (
            REGISTRY.get_sample_value("tminus_frames_total", {"type": "started"}),
            REGISTRY.get_sample_value("tminus_frames_total", {"type": "tick"}),
            REGISTRY.get_sample_value("tminus_viewers"),
        )

    hub = await new_hub()
    viewer, _ = join(hub)
    before = counted()
    for entry in entries(6):
        hub.on_entry("main", entry)
    hub.update_metrics()
    hub.update_metrics()
    started, ticks, viewers = counted()
    assert (started, ticks) == ((before[0] or 0) + 1, (before[1] or 0) + 5)
    assert viewers == 1
    viewer.connection_lost(None)
    hub.update_metrics()
    assert counted()[2] == 0


async def test_three_thousand_watched_rooms_leave_the_metrics_their_size() -> None:
    hub = await new_hub()
    join(hub)
    hub.update_metrics()
    lines = generate_latest().count(b"\n")
    for number in range(2999):
        join(hub, name=f"room-{number}")
    hub.update_metrics()
    assert generate_latest().count(b"\n") == lines
    assert REGISTRY.get_sample_value("tminus_rooms_watched") == 3000
    assert REGISTRY.get_sample_value("tminus_viewers") == 3000


async def test_the_metrics_tell_how_large_the_rooms_are() -> None:
    hub = await new_hub()
    for name, count in (("hall", 11), ("quiz", 10), ("one", 1), ("other", 1)):
        for _ in range(count):
            join(hub, name=name)
    room_of(hub, "nobody")
    hub.update_metrics()
    rooms = [
        REGISTRY.get_sample_value("tminus_rooms_by_size", {"viewers": size}) for size in ROOM_SIZES
    ]
    assert rooms == [2, 1, 1, 0, 0]


async def test_a_tick_s_lateness_is_counted_once_however_many_viewers_get_it() -> None:
    hub = await new_hub()
    for kind in (EventStreamViewer, EventStreamViewer, WebSocketViewer):
        join(hub, kind=kind)
    counted, late = _sent_late()
    due_at = 1000
    for entry in entries(3):  # the start and two ticks, due a second apart
        hub.on_entry("main", entry)
    await asyncio.sleep(0)
    count_now, late_now = _sent_late()
    assert count_now - counted == 2
    assert late_now - late == pytest.approx(2 * (now_ms() - due_at) / 1000 - 1, abs=1)


async def test_a_tick_that_nobody_watches_is_not_late() -> None:
    hub = await new_hub()
    room_of(hub)
    counted, _ = _sent_late()
    for entry in entries(3):
        hub.on_entry("main", entry)
    await asyncio.sleep(0)
    assert _sent_late()[0] == counted


def _sent_late() -> tuple[float, float]:
    """How many ticks were sent so far, and how late they were in all, in seconds."""
    name = "tminus_tick_sent_late_seconds"
    count, seconds = (REGISTRY.get_sample_value(f"{name}_{kind}") for kind in ("count", "sum"))
    assert count is not None
    assert seconds is not None
    return count, seconds
