"""A viewer of several rooms over one connection: a subscription to each, and one socket for all.

Every frame carries its room, so the rooms' frames need no order between them. A ring must not send
here: it goes past the transport, in whose buffer another room's frames may still wait.
"""

import asyncio
from collections.abc import Sequence

from protocol.frames import Ping

from .connections import Connections
from .room import Room, answer
from .viewer import Viewer


class Subscription(Viewer):
    """The place of a viewer in one of its rooms; frames go to the viewer's own transport."""

    __slots__ = ()


class Subscriptions:
    """What a viewer of several rooms calls: what it asks goes to each of them.

    It is the viewer's room and its fan-out group at once.
    """

    __slots__ = ("_connections", "_rooms", "_subscriptions")

    def __init__(self, rooms: list[Room], connections: Connections) -> None:
        self._rooms = rooms
        self._connections = connections
        self._subscriptions: list[tuple[Room, Subscription]] = []

    @property
    def places(self) -> int:
        return len(self._rooms)

    def join(
        self,
        viewer: Viewer,
        transport: asyncio.Transport,
        epoch: str,
        after: Sequence[int | None],
    ) -> None:
        """Add the viewer to every room, each with its hello and replay, in one turn.

        Once its buffers are full, the rest of the hellos wait until they have drained.
        """
        viewer.transport, viewer.group = transport, self
        for room, seen in zip(self._rooms, after, strict=True):
            subscription = Subscription(room, viewer.encoding)
            subscription.lagging_since = viewer.lagging_since
            self._subscriptions.append((room, subscription))
            room.join(subscription, transport, epoch, seen)

    # As its room

    def leave(self, viewer: Viewer) -> None:
        """The connection has ended."""
        for room, subscription in self._subscriptions:
            room.remove(subscription)
        self._connections.remove(viewer)

    def on_backpressure(self, viewer: Viewer) -> None:
        """The buffers are full: no room sends anything until they have drained."""
        viewer.lagging_since = viewer.lagging_since or self._connections.loop.time()
        self._connections.lagging.add(viewer)
        for room, subscription in self._subscriptions:
            room.pause(subscription)

    def on_drained(self, viewer: Viewer) -> None:
        """The buffers have drained: each room sends one hello, and what was missed."""
        viewer.lagging_since = 0.0
        self._connections.lagging.discard(viewer)
        for room, subscription in self._subscriptions:
            if subscription.lagging_since and not viewer.lagging_since:
                room.resume(subscription)

    def on_ping(self, viewer: Viewer, ping: Ping) -> None:
        """Answer a ping at once. What it reports would be about one room, and it names none."""
        answer(viewer, ping)

    # As its group

    def check_buffer(self, viewer: Viewer) -> None:
        """Nothing to do: everything goes through the transport."""

    def pause(self, _viewer: Viewer) -> None:
        """The connection is closing: no room sends anything more."""
        for _, subscription in self._subscriptions:
            subscription.is_closing = True
            if subscription.group is not None:
                subscription.group.pause(subscription)
