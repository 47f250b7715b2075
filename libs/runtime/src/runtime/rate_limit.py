"""Rate limits: token buckets, and a room's allowance for its messages."""

from typing import Final

ROOM_BYTES_A_SECOND: Final = 256 * 1024
ROOM_BURST_BYTES: Final = 1024 * 1024
OVERHEAD_BYTES: Final = 128
"""The bytes counted for a message besides its payload."""


class TokenBucket:
    """So many bytes a second on average, and `burst_bytes` at once.

    It has no clock of its own: `now` is in milliseconds by any clock, always the same one.
    """

    __slots__ = ("_at", "_burst_bytes", "_bytes", "_bytes_a_ms", "is_spent")

    def __init__(self, bytes_a_second: float, burst_bytes: float) -> None:
        self._bytes_a_ms = bytes_a_second / 1000
        self._burst_bytes = burst_bytes
        self._bytes = float(burst_bytes)
        self._at = 0.0
        self.is_spent = False
        """Whether the last message was over the limit."""

    def take(self, size: int, now: float) -> bool:
        """Take the tokens for a message of `size` bytes; returns whether there were enough."""
        self.is_spent = self.wait_ms(size, now) > 0
        if not self.is_spent:
            self._bytes -= size + OVERHEAD_BYTES
        return not self.is_spent

    def wait_ms(self, size: int, now: float) -> float:
        """How long until there are enough tokens for a message of `size` bytes; 0 if there are."""
        self._fill(now)
        return max(0.0, size + OVERHEAD_BYTES - self._bytes) / self._bytes_a_ms

    def is_full(self, now: float) -> bool:
        """Whether it is as full as a new one, so that it can be dropped."""
        self._fill(now)
        return self._bytes >= self._burst_bytes

    def _fill(self, now: float) -> None:
        passed_ms = max(0.0, now - self._at)
        self._bytes = min(self._burst_bytes, self._bytes + passed_ms * self._bytes_a_ms)
        self._at = max(now, self._at)


class Allowance(TokenBucket):
    """A room's rate limit for messages; more are not passed on, so that ticks are not delayed."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(ROOM_BYTES_A_SECOND, ROOM_BURST_BYTES)
