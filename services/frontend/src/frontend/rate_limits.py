"""The rate limits of this frontend for messages: one for each room, one for all together.

A coordinator does not show messages over a room's limit, and their sender would never know; here
senders get an error. All rooms share one more bucket, since anybody can make up another room's
name.
"""

import math
from typing import Final

from aiohttp import web

from runtime.rate_limit import Allowance, TokenBucket, cost

from .problem import Problem

ALL_BYTES_A_SECOND: Final = 1024 * 1024
ALL_BURST_BYTES: Final = 8 * 1024 * 1024
MANY_ROOMS: Final = 1000
"""With so many rooms in memory, those with a full bucket are dropped."""


class RateLimits:
    """The token buckets, by room and for all."""

    def __init__(self) -> None:
        self._all = TokenBucket(ALL_BYTES_A_SECOND, ALL_BURST_BYTES)
        self._rooms: dict[str, Allowance] = {}

    def take(self, room: str, size: int, now: float) -> None:
        """Take the tokens for a message of `size` bytes, or raise Problem with the time to wait.

        `now` is in milliseconds by a monotonic clock.
        """
        allowance, tokens = self._allowance(room, now), cost(size)
        for bucket, what in ((allowance, "this room"), (self._all, "all rooms together")):
            if (wait_ms := bucket.wait_ms(tokens, now)) > 0:
                raise Problem(
                    429,
                    f"More messages are sent to {what} than can be shown: try again in a moment.",
                    retry_after=math.ceil(wait_ms / 1000),
                )
        allowance.take(tokens, now)
        self._all.take(tokens, now)

    def __len__(self) -> int:
        """How many rooms are in memory."""
        return len(self._rooms)

    def _allowance(self, room: str, now: float) -> Allowance:
        if room not in self._rooms:
            if len(self._rooms) >= MANY_ROOMS:
                self._rooms = {
                    name: known for name, known in self._rooms.items() if not known.is_full(now)
                }
            self._rooms[room] = Allowance()
        return self._rooms[room]


RATE_LIMITS = web.AppKey("rate_limits", RateLimits)
