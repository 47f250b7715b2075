"""The wall clock, for `due` and `server_time`."""

import time


def now_ms() -> float:
    """Milliseconds since the Unix epoch, with a fraction."""
    return time.time() * 1000


def whole_now_ms() -> int:
    """Whole milliseconds since the Unix epoch."""
    return int(time.time() * 1000)
