"""What a coordinator measures of its rooms: frames, viewers, sizes, and how late ticks are sent."""

import asyncio

import pytest
from prometheus_client import REGISTRY, generate_latest

from coordinator.event_stream import EventStreamViewer
from coordinator.room_metrics import ROOM_SIZES
from coordinator.websocket import WebSocketViewer
from runtime.clock import now_ms
from support.hub import entries, join, new_hub, room_of


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
    assert _sent_late()[0] == counted  # not yet: once a second
    hub.update_metrics()
    hub.update_metrics()
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
    hub.update_metrics()
    assert _sent_late()[0] == counted


def _sent_late() -> tuple[float, float]:
    """How many ticks were sent so far, and how late they were in all, in seconds."""
    name = "tminus_tick_sent_late_seconds"
    count, seconds = (REGISTRY.get_sample_value(f"{name}_{kind}") for kind in ("count", "sum"))
    assert count is not None
    assert seconds is not None
    return count, seconds
