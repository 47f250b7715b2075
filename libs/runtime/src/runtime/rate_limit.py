"""How much may be sent: token buckets, and what a room is granted for its messages."""

from typing import Final

ROOM_BYTES_A_SECOND: Final = 256 * 1024
ROOM_BURST_BYTES: Final = 1024 * 1024
OVERHEAD_BYTES: Final = 128
"""What a message costs besides its payload."""


class TokenBucket:
    """So many bytes a second on average, and `burst_bytes` at once.

    It has no clock of its own: `now` is in milliseconds by any clock that the caller keeps to.
    """

    __slots__ = ("_at", "_burst_bytes", "_bytes", "_bytes_a_ms", "is_spent")

    def __init__(self, bytes_a_second: float, burst_bytes: float) -> None:
        self._bytes_a_ms = bytes_a_second / 1000
        self._burst_bytes = burst_bytes
        self._bytes = float(burst_bytes)
        self._at = 0.0
        self.is_spent = False
        """Whether there was no room for what came last."""

    def take(self, size: int, now: float) -> bool:
        """Whether there is room for a message of `size` bytes, which is taken then."""
        self.is_spent = self.wait_ms(size, now) > 0
        if not self.is_spent:
            self._bytes -= size + OVERHEAD_BYTES
        return not self.is_spent

    def wait_ms(self, size: int, now: float) -> float:
        """How long until there is room for a message of `size` bytes; 0 where there is."""
        self._fill(now)
        return max(0.0, size + OVERHEAD_BYTES - self._bytes) / self._bytes_a_ms

    def is_full(self, now: float) -> bool:
        """Whether it is as it was at first, so that nothing is lost with it."""
        self._fill(now)
        return self._bytes >= self._burst_bytes

    def _fill(self, now: float) -> None:
        passed_ms = max(0.0, now - self._at)
        self._bytes = min(self._burst_bytes, self._bytes + passed_ms * self._bytes_a_ms)
        self._at = max(now, self._at)


class Allowance(TokenBucket):
    """What a room is granted for its messages; more is not sent on, so that ticks are."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(ROOM_BYTES_A_SECOND, ROOM_BURST_BYTES)
