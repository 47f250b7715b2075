"""The server's clock as a viewer knows it from its pings: an estimate and a bound on its error."""

import math


class ServerClock:
    """How far the server's clock is ahead of this process's monotonic one; all in milliseconds.

    A pong tells the server's time at some instant between its ping and its arrival, so each one
    bounds the difference from both sides, and all of them together bound it best.
    """

    def __init__(self) -> None:
        self._low, self._high = -math.inf, math.inf

    @property
    def is_set(self) -> bool:
        return self._high < math.inf

    @property
    def error_ms(self) -> float:
        """The most by which `time` may be wrong."""
        return (self._high - self._low) / 2

    def time(self, at: float) -> float:
        """The server's time when this process's clock showed `at`."""
        return at + (self._low + self._high) / 2

    def add(self, sent: float, server: float, received: float) -> None:
        """A pong: `server` is the time that it tells."""
        low, high = server - received, server - sent
        if max(low, self._low) > min(high, self._high):  # a clock was set: the old bounds are void
            self._low, self._high = low, high
        else:
            self._low, self._high = max(low, self._low), min(high, self._high)
