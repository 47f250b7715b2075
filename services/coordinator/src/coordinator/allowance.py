"""How much a room may be sent as messages: what is over it is not shown, so that ticks are."""

from typing import Final

BYTES_A_SECOND: Final = 256 * 1024
BURST_BYTES: Final = 1024 * 1024
OVERHEAD_BYTES: Final = 128
"""What a message costs besides its payload."""


class Allowance:
    """A token bucket over the stream's own time, so that every coordinator drops the same."""

    __slots__ = ("_at", "_bytes", "is_spent")

    def __init__(self) -> None:
        self._bytes = float(BURST_BYTES)
        self._at = 0
        self.is_spent = False

    def take(self, size: int, at: int) -> bool:
        """Whether a message of `size` bytes, stored `at` (ms since the Unix epoch), is sent on."""
        self._bytes = min(
            float(BURST_BYTES), self._bytes + max(0, at - self._at) * BYTES_A_SECOND / 1000
        )
        self._at = max(at, self._at)
        cost = size + OVERHEAD_BYTES
        self.is_spent = self._bytes < cost
        if not self.is_spent:
            self._bytes -= cost
        return not self.is_spent
