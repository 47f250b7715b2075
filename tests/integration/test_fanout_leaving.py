"""Viewers that leave while all of a room are written to at once: the others lose nothing by it."""

import asyncio
import os
import socket
import struct

import pytest

from coordinator.connections import Connections
from coordinator.encodings import event_stream
from coordinator.room import Room
from support.sockets import at_once, joined, received
from support.waiting import WAIT_SECONDS


async def test_who_leaves_leaves_the_others_their_places(room: Room) -> None:
    async with joined(room, 5) as pairs:
        group = room.groups[event_stream(True)]
        for gone in (1, 4):
            pairs[gone][1].close()
        async with asyncio.timeout(WAIT_SECONDS):
            while len(group) > 3:
                await asyncio.sleep(0.001)
        # New connections get the descriptors that were somebody else's, and nothing of theirs.
        strangers = [end for _ in range(4) for end in socket.socketpair()]
        group.pause(pairs[3][0])  # who has got another's place answers for it alone
        group.write(b"hello")
        for kept in (0, 2):
            assert await received(pairs[kept][1], 5) == b"hello"
        group.resume(pairs[3][0])
        group.write(b"again")
        for kept in (0, 2, 3):
            assert await received(pairs[kept][1], 5) == b"again"
        for end in strangers:
            end.setblocking(False)
            with pytest.raises(BlockingIOError):
                end.recv(5)
        for end in strangers:
            end.close()


@pytest.mark.parametrize("has_ring", [True, False])
@pytest.mark.parametrize("way", ["close", "reset", "half"])
async def test_who_leaves_with_full_buffers_costs_the_others_nothing(
    way: str, has_ring: bool, request: pytest.FixtureRequest
) -> None:
    """By closing, by a reset, or by closing its side and reading all that was sent."""
    room = Room(
        "main",
        "coordinator-1",
        Connections(request.getfixturevalue("ring") if has_ring else None),
    )
    room.on_read()
    async with joined(room, 4) as pairs:
        group, word = room.groups[event_stream(True)], os.urandom(50_000)
        gone, far = pairs[1]
        others = [end for place, (_, end) in enumerate(pairs) if place != 1]
        while not gone.lagging_since:
            group.write(word)
            for end in others:
                assert await received(end, len(word)) == word
        if way == "half":
            far.shutdown(socket.SHUT_WR)
        else:
            if way == "reset":
                far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            far.close()
        async with asyncio.timeout(WAIT_SECONDS):
            while len(group) > 3:
                group.write(b"on")
                for end in others:
                    assert await received(end, 2) == b"on"
                if way == "half":
                    at_once(far)
                await asyncio.sleep(0.001)
        assert gone.was_open
        assert room._connections.count == 3
        assert not room._connections.lagging
        group.write(word)
        for end in others:
            assert await received(end, len(word)) == word


async def test_a_descriptor_is_closed_only_after_its_seat_is_empty(room: Room) -> None:
    async with joined(room, 4) as pairs:
        viewers = [viewer for viewer, _ in pairs]
        pairs[0][1].close()
        pairs[1][1].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        pairs[1][1].close()  # with a reset
        for viewer in viewers[2:]:
            assert viewer.transport is not None
        viewers[2].transport.abort()  # type: ignore[union-attr]  # asserted
        viewers[3].close(1000, "")
        pairs[3][1].shutdown(socket.SHUT_WR)
        async with asyncio.timeout(WAIT_SECONDS):
            while not all(viewer.was_open for viewer in viewers):
                await asyncio.sleep(0.001)
        assert not room.groups
