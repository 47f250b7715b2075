"""How many ticks are appended at once: as many as the stream takes without delaying one another.

One at a time, each would wait for a round trip; all at once, whoever comes next would wait for all
of them, wherever it stands in the queue. So the limit follows the delay, as the window of TCP Vegas
does (Brakmo and Peterson, 1995): it grows while appends take about as long as the fastest, and
shrinks when they take longer.
"""

from typing import Final

FIRST: Final = 16
LEAST: Final = 4
MOST: Final = 64
QUEUED_SECONDS: Final = 0.005
"""How much longer than the fastest an append may take."""
FEWER: Final = 0.5
"""By how much one that took longer lowers the limit."""
FORGET: Final = 0.0005
"""How far a slower append moves the fastest towards itself: the stream may be farther away now."""


class ConcurrencyLimit:
    """The limit, which follows how long appends take."""

    def __init__(self) -> None:
        self._limit = float(FIRST)
        self._fastest = float("inf")

    def __int__(self) -> int:
        return int(self._limit)

    def note(self, seconds: float, *, is_reached: bool) -> None:
        """An append has taken so long; `is_reached` if others wait for the limit."""
        if seconds < self._fastest:
            self._fastest = seconds
        else:
            self._fastest += (seconds - self._fastest) * FORGET
        if seconds > self._fastest + QUEUED_SECONDS:
            self._limit = max(LEAST, self._limit - FEWER)
        elif is_reached:  # one more, once as many as that have been done
            self._limit = min(MOST, self._limit + 1 / self._limit)
