"""The reports in viewers' pings: what they show, and the bound of their clock's error."""

from collections.abc import Callable, Iterable

from protocol.frames import Ping, Screens

from .viewer import Viewer
from .websocket import WebSocketViewer

REPORT_SECONDS = 60.0
"""A viewer's report is out of date after this long: a page pings each 45 seconds at least."""
SETTLING_SECONDS = 0.5
"""For this long after a new entry, a viewer that shows the one before counts as in step."""
NO_SCREENS = Screens(reporting=0, in_step=0, worst_error_ms=None)


class Reports:
    """The reports of one room; `time` is the loop's clock, in seconds."""

    __slots__ = ("_changed_at", "_latest_at", "_previous_seq", "_seq", "_time")

    def __init__(self, time: Callable[[], float]) -> None:
        self._time = time
        self._latest_at = -REPORT_SECONDS
        self._seq = 0
        """Of the last frame; an event that is stored again has none."""
        self._previous_seq = 0
        self._changed_at = 0.0

    def on_change(self, previous_seq: int, seq: int) -> None:
        """There is a new frame, `seq`; every viewer had been sent all up to `previous_seq`."""
        self._previous_seq = min(previous_seq, self._seq)
        self._seq = seq
        self._changed_at = self._time()

    def note(self, viewer: Viewer, ping: Ping) -> None:
        """Keep what the viewer says of itself.

        A viewer that says nothing of itself any more, since its tab is hidden, reports nothing.
        """
        # Who gets no ticks does not know the last sequence.
        if not isinstance(viewer, WebSocketViewer) or not viewer.encoding.has_ticks:
            return
        now = self._time()
        if ping.seq is None:
            viewer.reported_at = now - REPORT_SECONDS
            return
        is_settling = now - self._changed_at < SETTLING_SECONDS
        viewer.is_in_step = ping.seq >= (self._previous_seq if is_settling else self._seq)
        viewer.reported_at = self._latest_at = now
        viewer.error_ms = ping.error_ms or 0.0

    def screens(self, viewers: Iterable[Viewer]) -> Screens:
        """The sum of these viewers' latest reports."""
        since = self._time() - REPORT_SECONDS
        if self._latest_at <= since:
            return NO_SCREENS
        reporting = in_step = 0
        worst = None
        for viewer in viewers:
            if isinstance(viewer, WebSocketViewer) and viewer.reported_at > since:
                reporting += 1
                in_step += viewer.is_in_step
                worst = max(worst or 0.0, viewer.error_ms)
        return Screens(reporting=reporting, in_step=in_step, worst_error_ms=worst)
