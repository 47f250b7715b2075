"""The rate limits of this frontend for messages: one for each room, one for all together.

A coordinator does not show messages over a room's limit, and their sender would never know; here
senders get an error. All rooms share one more bucket, since anybody can make up another room's
name.
"""

import math
from typing import Final

from aiohttp import web

from protocol.messages import ROOM_BURST_BYTES, ROOM_BYTES_A_SECOND, cost
from runtime.rate_limit import TokenBucket

from .problem import Problem

ALL_BYTES_A_SECOND: Final = 1024 * 1024
ALL_BURST_BYTES: Final = 8 * 1024 * 1024
MANY_ROOMS: Final = 1000
"""With so many rooms in memory, those with a full bucket are dropped."""


class MessageLimits:
    """The token buckets, by room and for all."""

    def __init__(self) -> None:
        self._all = TokenBucket(ALL_BYTES_A_SECOND, ALL_BURST_BYTES)
        self._rooms: dict[str, TokenBucket] = {}

    def take(self, room: str, size: int, now: float) -> None:
        """Take the tokens for a message of `size` bytes, or raise Problem with the time to wait.

        `now` is in milliseconds by a monotonic clock.
        """
        of_room, tokens = self._of_room(room, now), cost(size)
        for bucket, what in ((of_room, "this room"), (self._all, "all rooms together")):
            if (wait_ms := bucket.wait_ms(tokens, now)) > 0:
                raise Problem(
                    429,
                    f"More messages are sent to {what} than can be shown: try again in a moment.",
                    retry_after=math.ceil(wait_ms / 1000),
                )
        of_room.take(tokens, now)
        self._all.take(tokens, now)

    def __len__(self) -> int:
        """How many rooms are in memory."""
        return len(self._rooms)

    def _of_room(self, room: str, now: float) -> TokenBucket:
        if room not in self._rooms:
            if len(self._rooms) >= MANY_ROOMS:
                self._rooms = {
                    name: known for name, known in self._rooms.items() if not known.is_full(now)
                }
            self._rooms[room] = TokenBucket(ROOM_BYTES_A_SECOND, ROOM_BURST_BYTES)
        return self._rooms[room]


MESSAGE_LIMITS = web.AppKey("message_limits", MessageLimits)
