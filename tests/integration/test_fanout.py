"""The same bytes to many sockets at once, whole and in order, whatever each of them takes."""

import asyncio
import os
import socket

import pytest
from aiohttp.test_utils import TestServer

import coordinator.app
from coordinator.connections import CONNECTIONS, Connections
from coordinator.encodings import event_stream, websocket
from coordinator.io_uring import CAPACITY, ENTRIES, Ring
from coordinator.room import Room
from coordinator.subscriptions import Subscriptions
from coordinator.websocket import WebSocketViewer
from support.bus_client import ask
from support.served import Serve
from support.sockets import at_once, is_held_back, joined, received
from support.viewer import is_last_tick, viewing
from support.waiting import WAIT_SECONDS


async def test_many_are_sent_the_same_in_more_than_one_call(room: Room) -> None:
    async with joined(room, ENTRIES + 100) as pairs:
        group = room.groups[event_stream(True)]
        for word in (b"one ", b"two ", b"three "):
            group.write(word)
        for _, far in pairs:
            assert await received(far, 14) == b"one two three "


async def test_a_late_joiner_is_sent_through_the_ring_too(room: Room) -> None:
    async with joined(room, 2):
        goes_by_transport(room)
        async with joined(room, 2) as later:
            assert not goes_by_transport(room)
            for _, far in later:
                assert await received(far, 1) == b"x"


def goes_by_transport(room: Room) -> list[tuple[int, int]]:
    """Who does not go by the ring, found by sending a letter to all who do."""
    slots = room.groups[event_stream(True)]._slots
    assert slots is not None
    return slots.send(b"x")


async def test_who_is_skipped_costs_no_call_of_its_own(
    room: Room, ring: Ring, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with joined(room, 20) as pairs:
        group = room.groups[event_stream(True)]
        for viewer, _ in pairs[::2]:
            group.pause(viewer)
        calls, call = [], ring._call
        monkeypatch.setattr(ring, "_call", lambda *words: calls.append(words) or call(*words))  # type: ignore[func-returns-value]
        group.write(b"one ")
        assert len(calls) == 1
        for viewer, _ in pairs[::2]:
            group.resume(viewer)
        group.write(b"two ")
        assert len(calls) == 2
        for number, (_, far) in enumerate(pairs):
            expected = b"one two " if number % 2 else b"two "
            assert await received(far, len(expected)) == expected


async def test_a_few_use_no_ring_until_more_come(
    room: Room, ring: Ring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coordinator.fanout.FEW", 3)
    calls, call = [], ring._call
    monkeypatch.setattr(ring, "_call", lambda *words: calls.append(words) or call(*words))  # type: ignore[func-returns-value]
    async with joined(room, 3) as pairs:
        group = room.groups[event_stream(True)]
        group.write(b"few ")
        assert not calls
        for _, far in pairs:
            assert await received(far, 4) == b"few "
        (paused, far_paused), (behind, far_behind), _ = pairs
        group.pause(paused)
        alone = os.urandom(50_000)
        behind.write(alone)
        assert is_held_back(behind)
        async with joined(room, 1) as later:
            told = at_once(far_behind)
            group.write(b"many")
            assert len(calls) == 1
            assert told + await received(far_behind, 50_004 - len(told)) == alone + b"many"
            for _, far in (pairs[2], *later):
                assert await received(far, 4) == b"many"
            group.resume(paused)
            group.write(b"all")
            assert await received(far_paused, 3) == b"all"
            assert not goes_by_transport(room)


async def test_what_was_written_to_one_comes_before_what_goes_to_all(room: Room) -> None:
    async with joined(room, 2) as pairs:
        group, alone = room.groups[event_stream(True)], os.urandom(50_000)
        viewer, far = pairs[1]
        viewer.write(alone)
        assert is_held_back(viewer)
        told = at_once(far)
        group.write(b"second ")
        told += at_once(far)
        group.write(b"third")
        expected = alone + b"second third"
        assert told + await received(far, len(expected) - len(told)) == expected
        assert await received(pairs[0][1], 12) == b"second third"
        group.write(b"all is taken")
        assert not goes_by_transport(room)


@pytest.mark.parametrize("size", [50_000, CAPACITY + 1])
async def test_what_a_socket_did_not_take_comes_before_the_next(room: Room, size: int) -> None:
    async with joined(room, 2) as pairs:
        group, word = room.groups[event_stream(True)], os.urandom(size)
        viewer, far = pairs[1]
        group.write(word)
        assert is_held_back(viewer)
        assert not viewer.lagging_since
        told = at_once(far)
        group.write(b"after")
        expected = word + b"after"
        assert told + await received(far, len(expected) - len(told)) == expected
        assert await received(pairs[0][1], len(expected)) == expected


async def test_who_does_not_read_is_sent_nothing_more(room: Room) -> None:
    async with joined(room, 2) as pairs:
        group, word = room.groups[event_stream(True)], os.urandom(50_000)
        for _ in range(30):
            group.write(word)
            assert await received(pairs[0][1], len(word)) == word
        viewer, _ = pairs[1]
        assert viewer.lagging_since
        assert viewer.transport is not None
        assert viewer.transport.get_write_buffer_size() < 150_000


async def test_who_lags_is_told_the_state_in_one_piece_and_then_goes_on(room: Room) -> None:
    async with joined(room, 1) as pairs:
        group, word = room.groups[event_stream(True)], os.urandom(50_000)
        viewer, far = pairs[0]
        sent = 0
        while not viewer.lagging_since:
            group.write(word)
            sent += len(word)
        group.write(b"missed")
        assert (await received(far, sent))[:sent] == word * (sent // len(word))
        async with asyncio.timeout(WAIT_SECONDS):
            while viewer.lagging_since:
                await asyncio.sleep(0.001)
        group.write(b"seen")
        told = await received(far, lambda data: data.endswith(b"seen"))
        assert b"missed" not in told
        assert not goes_by_transport(room)


async def test_a_ring_that_fails_ends_the_service(
    room: Room, ring: Ring, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with joined(room, 2) as pairs:
        with monkeypatch.context() as broken:
            broken.setattr(ring, "_fd", -1)
            with pytest.raises(OSError, match="Bad file descriptor"):
                room.groups[event_stream(True)].write(b"lost")
        # What goes round in it is not what is asked for next, so it is asked for nothing more.
        with pytest.raises(OSError, match="Bad file descriptor"):
            room.groups[event_stream(True)].write(b"torn")
        with pytest.raises(OSError, match="Bad file descriptor"):
            await asyncio.wait_for(room._connections.sweep(), WAIT_SECONDS)
        for _, far in pairs:
            assert at_once(far) == b""


async def test_a_ring_sends_nothing_past_another_room_s_frames_in_a_buffer(ring: Ring) -> None:
    """A viewer of several rooms: one transport, and of each room a group of its own."""
    connections = Connections(ring)
    rooms = [Room(name, "coordinator-1", connections) for name in ("quiz", "launch")]
    for room in rooms:
        room.on_read()
    near, far = socket.socketpair()
    far.setblocking(False)
    with near, far:

        class Filled(asyncio.Transport):
            """A transport whose socket takes nothing, so that all stays in its buffer."""

            buffered = b""

            def write(self, data: bytes | bytearray | memoryview) -> None:
                self.buffered += data

            def get_write_buffer_size(self) -> int:
                return len(self.buffered)

        transport = Filled({"socket": near})
        several = Subscriptions(rooms, connections)
        viewer = WebSocketViewer(several, websocket(1, True, False))
        connections.add(viewer)
        several.join(viewer, transport, "", [None, None])
        for room in rooms:
            transport.buffered = b""  # it was empty when the room's group looked last
            for group in room.groups.values():
                group.write(b"flushed")
        for room in rooms:
            for group in room.groups.values():
                group.write(room.name.encode())
        assert at_once(far) == b""
        assert transport.buffered == b"flushedquizlaunch"


@pytest.mark.parametrize("has_ring", [True, False])
async def test_a_countdown_with_and_without_a_ring(
    serve_coordinator: Serve,
    serve_scheduler: Serve,
    bus: object,
    monkeypatch: pytest.MonkeyPatch,
    has_ring: bool,
) -> None:
    def refuse() -> Ring:
        raise PermissionError(1, "not allowed")

    monkeypatch.setattr("coordinator.fanout.FEW", 0)
    if not has_ring:
        monkeypatch.setattr(coordinator.app, "Ring", refuse)
    server: TestServer = await serve_coordinator()
    await serve_scheduler()
    assert (server.app[CONNECTIONS].ring is not None) == has_ring
    async with viewing(server) as viewer, viewing(server) as other:
        await ask(bus, "scheduler.start", interval_ms=100)  # type: ignore[arg-type]
        for each in (viewer, other):
            await each.until(is_last_tick)
            assert each.ticks == [10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0]
