"""What a room's page shows before its script runs: number, ring and caption, from the state alone.

The script computes the same with a better clock (`static/countdown.js`). Both are tested with the
cases in `services/frontend/tests/countdown-cases.json`.
"""

from msgspec import Struct

from protocol.frames import State

DELAY_MS = 250
"""Every number is shown this long after it is due, on every screen of every room: longer than
nearly every path from the scheduler to a screen takes, so that all change at once. The script gets
it in the page's data."""


class FirstPaint(Struct, frozen=True, kw_only=True):
    """`number` as text, `left` of the ring from 0 to 1, and the words below the number."""

    number: str
    left: float
    caption: str

    @property
    def size(self) -> int:
        """The number of characters that the font size fits: 10 and 9 are equally large."""
        return min(max(len(self.number), 2), 8)

    @property
    def gap(self) -> float:
        """The degrees of the ring that have run down, clockwise from the top."""
        return round(360 * (1 - self.left), 1)

    @property
    def first_half(self) -> float:
        """The rotation of the ring's right half, in degrees (`static/ring.js`)."""
        return min(self.gap, 180)

    @property
    def second_half(self) -> float:
        """The rotation of the ring's left half, in degrees."""
        return self.gap - 179 if self.gap > 180 else 0


def of_state(state: State | None, now_ms: float, is_clock: bool) -> FirstPaint:
    """What to show of `state` at `now_ms`; None if no coordinator has reported it.

    Unlike the script it does not show when a run starts: only the browser knows its time zone.
    """
    if state is None:
        return FirstPaint(number="", left=0, caption="no word from the coordinator")
    first, interval_ms, starts_at = state.from_, state.interval_ms, state.starts_at
    is_idle = state.status in ("idle", "unknown")
    if is_idle or first is None or interval_ms is None or starts_at is None:
        return FirstPaint(number="", left=1, caption="ready")
    if state.status == "cancelled":
        remaining = state.remaining
        return FirstPaint(
            number="" if remaining is None else number_text(remaining, is_clock),
            left=1 if remaining is None else ring_left(remaining, first),
            caption="cancelled",
        )
    elapsed = (now_ms - DELAY_MS - starts_at) / interval_ms
    if elapsed < 0:
        return FirstPaint(number="", left=1, caption="starting soon")
    return FirstPaint(
        number=number_text(max(0, first - int(elapsed)), is_clock),
        left=ring_left(max(0, first - elapsed), first),
        caption="",
    )


def number_text(number: int, is_clock: bool) -> str:
    """The number as text; above 59 as minutes and seconds if `is_clock`."""
    if not is_clock or number < 60:
        return str(number)
    minutes, seconds = divmod(number, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def ring_left(number: float, first: int) -> float:
    """How much of the ring is left: of the whole run, or of the minute if the run is longer."""
    if first <= 60:
        return min(1, number / first)
    return 1 if number > 0 and number % 60 == 0 else number % 60 / 60
