"""Which viewers count as in step, by what they say that they show."""

import asyncio
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from coordinator import reports
from coordinator.websocket import WebSocketViewer
from protocol.frames import Ping
from support.hub import entries, join, new_hub, room_of


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Call it, and entries count as new no more."""
    return lambda: monkeypatch.setattr(reports, "SETTLING_SECONDS", 0.0)


async def in_step(*shown: int, again: bool = False, garbage: bool = False) -> list[int]:
    """How many viewers are in step that each show one of these sequences, of a run's first three;
    then perhaps the last event is stored again, or something that is no event."""
    hub = await new_hub()
    viewers = [join(hub, kind=WebSocketViewer)[0] for _ in shown]
    stored = entries(3)
    if again:
        stored.append(replace(stored[-1], seq=4))
    if garbage:
        stored.append(replace(stored[-1], seq=5, data=b"garbage"))
    for entry in stored:
        hub.on_entry("main", entry)
        await asyncio.sleep(0)
    room = room_of(hub)
    told = []
    for viewer, seq in zip(viewers, shown, strict=True):
        room.on_ping(viewer, Ping(id=1, seq=seq))
        told.append(room.screens().in_step)
    return told


async def test_who_shows_the_one_before_is_in_step_for_a_moment(
    settled: Callable[[], None],
) -> None:
    assert await in_step(1, 2, 3) == [0, 1, 2]
    settled()
    assert await in_step(1, 2, 3) == [0, 0, 1]


@pytest.mark.parametrize(("again", "garbage"), [(True, False), (False, True), (True, True)])
async def test_an_entry_that_is_no_frame_leaves_viewers_in_step(
    settled: Callable[[], None], again: bool, garbage: bool
) -> None:
    settled()
    assert await in_step(2, 3, again=again, garbage=garbage) == [0, 1]


async def test_a_new_viewer_is_in_step_though_the_last_entry_is_no_frame(
    settled: Callable[[], None],
) -> None:
    settled()
    hub = await new_hub()
    for entry in [*entries(3), replace(entries(3)[-1], seq=4)]:
        hub.on_entry("main", entry)
    viewer, _ = join(hub, kind=WebSocketViewer)
    room_of(hub).on_ping(viewer, Ping(id=1, seq=4))
    assert room_of(hub).screens().in_step == 1
