"""The endpoint for other services: `coordinator.room`."""

from bus.entries import is_event
from bus.errors import BusError, ServiceError
from bus.feed import Feed
from protocol import events, frames, requests, subjects
from protocol.frames import RoomReply
from protocol.requests import ReadRoom, RequestError
from protocol.rules import Countdown
from protocol.state import state_of

from .hub import Hub
from .presence import Peers

OPEN_SECONDS = 0.8
"""Less than a caller's timeout of about a second."""


class Queries:
    """The endpoint `coordinator.room`."""

    def __init__(self, hub: Hub, peers: Peers, feed: Feed) -> None:
        self._hub = hub
        self._peers = peers
        self._feed = feed

    async def room(self, payload: bytes) -> bytes:
        """A room's state; the reply is a RoomReply.

        Raises ServiceError 400, or 503 if the stream can't be read.
        """
        try:
            name = requests.decode(payload, ReadRoom).room
        except RequestError as error:
            raise ServiceError(400, str(error)) from None
        room = self._hub.rooms.get(name)
        if room is not None and room.opened.is_set():
            countdown, seq, epoch = room.history.countdown, room.history.seq, room.epoch
        else:
            countdown, seq = await self._read(name)
            epoch = self._feed.epoch
        return frames.encode(
            RoomReply(
                room=name,
                epoch=epoch,
                seq=seq,
                viewers=len(room or ()) + self._peers.remote_counts().get(name, 0),
                screens=self._peers.screens(name),
                state=state_of(countdown),
            )
        )

    async def _read(self, name: str) -> tuple[Countdown, int]:
        """A room that is not open here, from the stream: its countdown and its last sequence."""
        try:
            last = await self._feed.newest(name)
        except BusError as error:
            raise ServiceError(503, f"the stream can't be read: {error}") from None
        seq = max((entry.seq for entry in last), default=0)
        for entry in last:
            if entry.subject == subjects.events(name):
                if not is_event(entry):
                    # Garbage says nothing, so the whole history has to be read.
                    room = await self._hub.opened(name, OPEN_SECONDS)
                    if room is None:
                        raise ServiceError(503, "the room can't be read in time")
                    return room.history.countdown, room.history.seq
                return Countdown(entry.seq, events.decode(entry.data, name)), seq
        return Countdown(), seq
