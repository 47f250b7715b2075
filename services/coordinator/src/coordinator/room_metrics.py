"""The metrics of rooms: how many are watched, their sizes, the frames sent, what screens report.

Anybody may watch a room of any name, so no metric has a room's name as a label.
"""

from bisect import bisect_left
from collections import Counter as Count
from collections.abc import Iterable, Sequence
from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from protocol.frames import Screens
from runtime.clock import now_ms
from runtime.metrics import LATE_SECONDS

from .prepared import PreparedFrame

MOST_VIEWERS: Final = (1, 10, 100, 1000)
ROOM_SIZES: Final = ("1", "2-10", "11-100", "101-1000", "1001-")
"""How many viewers the rooms of each size have: up to those of MOST_VIEWERS, or more."""

_viewers = Gauge("tminus_viewers", "Viewers connected.")
_watched = Gauge("tminus_rooms_watched", "Rooms that have viewers.")
_by_size = Gauge("tminus_rooms_by_size", "Watched rooms, by their number of viewers.", ["viewers"])
_sent = Counter("tminus_frames_total", "Frames sent to the viewers of a room.", ["type"])
_sent_late = Histogram(
    "tminus_tick_sent_late_seconds",
    "Delay from a tick's due time until it was written to the viewers of its room.",
    buckets=LATE_SECONDS,
)
_screens = Gauge("tminus_screens", "Screens that report what they show.")
_in_step = Gauge("tminus_screens_in_step", "Screens that show the last entry of their room.")
_error = Gauge("tminus_screen_error_seconds", "The largest clock error that a screen reports.")

_late: Final[list[float]] = []
"""How late ticks were sent, in seconds, since the metrics were updated."""


class RoomMetrics:
    """Updated once a second, since each change of a metric takes a lock."""

    def __init__(self) -> None:
        self._frames: Count[str] = Count()
        self._sizes: Sequence[int] = ()

    def count(self, kind: str) -> None:
        """A frame of this kind was sent to the viewers of a room."""
        self._frames[kind] += 1

    def update(self, viewers: int, sizes: Sequence[int]) -> None:
        """Set the metrics; `sizes` is how many viewers each watched room has. One of several rooms
        is one of `viewers`, and one in each of its rooms."""
        for kind, frames in self._frames.items():
            _sent.labels(kind).inc(frames)
        self._frames.clear()
        for seconds in _late:
            _sent_late.observe(seconds)
        _late.clear()
        _viewers.set(viewers)
        if sizes == self._sizes:
            return
        self._sizes = sizes
        _watched.set(len(sizes))
        by_size = Count(bisect_left(MOST_VIEWERS, size) for size in sizes)
        for place, label in enumerate(ROOM_SIZES):
            _by_size.labels(label).set(by_size[place])


def note_sent(batch: Iterable[PreparedFrame]) -> None:
    """These frames were written to a room's viewers just now."""
    for frame in batch:
        if frame.due_at is not None:
            _late.append(max(0.0, now_ms() - frame.due_at) / 1000)


def note_screens(rooms: Iterable[Screens]) -> None:
    """What the screens of each watched room report, as far as they are connected here."""
    reporting = in_step = 0
    worst_ms = 0.0
    for screens in rooms:
        reporting += screens.reporting
        in_step += screens.in_step
        worst_ms = max(worst_ms, screens.worst_error_ms or 0.0)
    _screens.set(reporting)
    _in_step.set(in_step)
    _error.set(worst_ms / 1000)
