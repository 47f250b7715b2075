"""The metrics of rooms: how many are watched, their sizes, the frames sent."""

from bisect import bisect_right
from collections import Counter as Count
from collections.abc import Sequence
from math import inf
from typing import Final

from prometheus_client import Counter, Gauge

ROOM_SIZES: Final = {"1.0": 1, "10.0": 10, "100.0": 100, "1000.0": 1000, "+Inf": inf}
"""The buckets of the watched rooms' sizes, as Prometheus writes them and as numbers."""

_viewers = Gauge("tminus_viewers", "Viewers connected.")
_watched = Gauge("tminus_rooms_watched", "Rooms that have viewers.")
# Anybody may watch a room of any name, so no metric has a room's name as a label.
_watched_to = Gauge(
    "tminus_room_viewers_bucket", "Watched rooms with at most `le` viewers.", ["le"]
)
_sent = Counter("tminus_frames_total", "Frames sent to the viewers of a room.", ["type"])


class RoomMetrics:
    """Updated once a second, since each change of a metric takes a lock."""

    def __init__(self) -> None:
        self._frames: Count[str] = Count()

    def count(self, kind: str) -> None:
        """A frame of this kind was sent to the viewers of a room."""
        self._frames[kind] += 1

    def update(self, viewers: int, sizes: Sequence[int]) -> None:
        """Set the metrics; `sizes` is how many viewers each watched room has. One of several rooms
        is one of `viewers`, and one in each of its rooms."""
        for kind, frames in self._frames.items():
            _sent.labels(kind).inc(frames)
        self._frames.clear()
        _viewers.set(viewers)
        _watched.set(len(sizes))
        ordered = sorted(sizes)
        for label, most in ROOM_SIZES.items():
            _watched_to.labels(label).set(bisect_right(ordered, most))
