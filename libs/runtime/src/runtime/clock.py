"""The wall clock: what `due` and `server_time` are told by."""

import time


def now() -> float:
    """Milliseconds since the Unix epoch, with a fraction."""
    return time.time() * 1000


def now_ms() -> int:
    """Whole milliseconds since the Unix epoch."""
    return int(time.time() * 1000)
