"""The reply of `coordinator.room` while the stream is another one and its room is not read yet."""

from types import SimpleNamespace
from typing import Any, cast

import msgspec

from coordinator.queries import Queries
from protocol.frames import RoomReply
from support.hub import entries, new_hub, room_of


async def test_a_room_s_sequence_and_its_epoch_are_of_the_same_stream() -> None:
    hub = await new_hub()
    room = room_of(hub)
    for entry in entries(5):
        hub.on_entry("main", entry)
    hub._feed.epoch = "epoch-2"
    peers = SimpleNamespace(remote_counts=dict, screens=lambda _room: room.screens())
    queries = Queries(hub, cast(Any, peers), hub._feed)
    reply = msgspec.json.decode(await queries.room(b"{}"), type=RoomReply)
    assert (reply.epoch, reply.seq) == ("epoch-1", 5)
