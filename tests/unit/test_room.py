"""A room's viewers within one turn of the event loop, where nothing may be missed or doubled."""

import asyncio

import pytest
from msgspec.structs import replace

from bus.stream import Entry
from coordinator.hub import DROPPED_A_TURN
from protocol import subjects
from support.hub import Socket, entries, join, new_hub, room_of


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


async def test_who_counts_by_itself_is_greeted_with_the_terms_and_gets_the_last_tick_only() -> None:
    hub = await new_hub()
    _, early = join(hub, has_ticks=False)
    run = entries(12)  # with all of its ticks
    for entry in run[:6]:
        hub.on_entry("main", entry)
    _, late = join(hub, has_ticks=False)
    for entry in run[6:]:
        hub.on_entry("main", entry)
    await asyncio.sleep(0)
    assert early.seqs == late.seqs == [1, 12]
    hello, started, last = late.frames
    assert (hello["protocol"], hello["replayed"]) == (1, 1)
    terms = {name: started[name] for name in ("run", "from", "interval_ms", "starts_at")}
    assert isinstance(hello["state"], dict)
    assert hello["state"].items() >= (terms | {"status": "running", "remaining": 6}).items()
    assert last["remaining"] == 0


async def test_a_room_is_let_go_of_some_time_after_its_last_viewer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hub = await new_hub()
    viewer, _ = join(hub)
    hub.on_entry("main", entries(1)[0])
    monkeypatch.setattr("coordinator.hub.LINGER_SECONDS", 0)
    await hub.drop_idle_rooms()
    assert set(hub.rooms) == {"main"}
    monkeypatch.setattr("coordinator.hub.LINGER_SECONDS", 30)
    viewer.connection_lost(None)
    await hub.drop_idle_rooms()
    assert set(hub.rooms) == {"main"}
    monkeypatch.setattr("coordinator.hub.LINGER_SECONDS", 0)
    await hub.drop_idle_rooms()
    assert not hub.rooms


async def test_many_rooms_are_let_go_of_in_several_turns_but_for_one_that_is_watched_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hub = await new_hub()
    monkeypatch.setattr("coordinator.hub.LINGER_SECONDS", 0)
    for number in range(3 * DROPPED_A_TURN):
        room_of(hub, f"room-{number}")
    last = f"room-{number}"
    dropping = asyncio.create_task(hub.drop_idle_rooms())
    await asyncio.sleep(0)
    assert len(hub.rooms) == 2 * DROPPED_A_TURN
    join(hub, name=last)
    await dropping
    assert set(hub.rooms) == {last}


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
    await hub.drop_idle_rooms()
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
    hub.send_viewer_counts({})
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
        hub.send_viewer_counts({})
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


async def test_who_joins_while_the_past_is_read_again_is_greeted_once_it_is_read() -> None:
    hub = await new_hub()
    stored = entries(5)
    _, early = join(hub)
    lagging, socket = join(hub)
    for entry in stored:
        hub.on_entry("main", entry)
    lagging.pause_writing()
    await asyncio.sleep(0)
    for old in (early, socket):
        old.written = b""
    room = hub.rooms["main"]
    hub.on_reset("main")
    _, late = join(hub, is_opened=False)
    _, resumed = join(hub, after=2, is_opened=False)
    lagging.resume_writing()
    assert [there.frames for there in (late, resumed, socket)] == [[], [], []]
    for entry in stored:
        hub.on_entry("main", entry)
    hub.on_opened("main")
    for there in (early, socket, late, resumed):
        hello, *frames = there.frames
        assert (hello["type"], hello["seq"], hello["complete"]) == ("hello", 5, False)
        assert len(frames) == hello["replayed"]
    assert len(room) == 4


async def test_the_rate_limit_begins_anew_when_the_past_is_read_again() -> None:
    hub = await new_hub()
    stored = messages(1000, size=1500)
    for _ in range(2):
        room_of(hub)
        hub.on_reset("main")
        for entry in stored:
            hub.on_entry("main", entry)
        hub.on_opened("main")
        _, socket = join(hub)
        assert socket.seqs[-1] == 1000


@pytest.mark.parametrize("shown", [1, 500, 1000])
async def test_nothing_is_complete_where_the_stream_may_have_had_more(
    shown: int,
) -> None:
    """It keeps a thousand messages of a room, also those that are no text."""
    hub = await new_hub()
    room_of(hub)
    hub.on_reset("main")
    for number, entry in enumerate(messages(1000, first=10)):
        hub.on_entry("main", entry if number >= 1000 - shown else replace(entry, data=b"\xff"))
    hub.on_opened("main")
    for after, is_complete in ((8, False), (9, shown < 257), (1009, True)):
        _, socket = join(hub, after=after)
        assert socket.frames[0]["complete"] is is_complete, after


def messages(count: int, first: int = 1, size: int = 10) -> list[Entry]:
    """Messages a minute apart, as the stream has them."""
    subject = subjects.messages("main")
    return [
        Entry(seq, subject, (b"%d " % seq).ljust(size, b"x"), 1_000_000 + seq * 60_000)
        for seq in range(first, first + count)
    ]
