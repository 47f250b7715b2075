"""What a room's page shows first: the number, its ring and its words, from the state alone.

The page's own script does the same sum once it knows the time better (`static/countdown.js`).
"""

from msgspec import Struct

from protocol.frames import State

DELAY_MS = 250
"""Numbers are shown this long after they are due, on every screen of every room: longer than
nearly every way from the scheduler to a screen, so that all change at once."""


class Showing(Struct, frozen=True, kw_only=True):
    """What the eye meets: `number` as text, `left` of the ring from 0 to 1, and a word or two."""

    number: str
    left: float
    caption: str

    @property
    def size(self) -> int:
        """How many characters the number's size is made for: 10 and 9 are equally large."""
        return min(max(len(self.number), 2), 8)

    @property
    def gap(self) -> float:
        """The degrees that have run down, clockwise from the top."""
        return round(360 * (1 - self.left), 1)

    @property
    def first_half(self) -> float:
        """By how much the right half of the ring has turned (`static/ring.js`)."""
        return min(self.gap, 180)

    @property
    def second_half(self) -> float:
        """By how much the left half of the ring has turned."""
        return self.gap - 179 if self.gap > 180 else 0


def first(state: State | None, now_ms: float, is_clock: bool) -> Showing:
    """What to show of `state` at `now_ms`; None is a state that nobody could tell."""
    if state is None:
        return Showing(number="", left=0, caption="no word from the coordinator")
    if state.status in ("idle", "unknown") or state.from_ is None or state.interval_ms is None:
        return Showing(number="", left=1, caption="ready")
    remaining = state.remaining
    if state.status != "cancelled" and state.starts_at is not None:
        elapsed = (now_ms - DELAY_MS - state.starts_at) / state.interval_ms
        if elapsed < 0:
            return Showing(number="", left=1, caption="starting soon")
        remaining = max(0, state.from_ - int(elapsed))
    if remaining is None:
        return Showing(number="", left=1, caption="cancelled")
    return Showing(
        number=text(remaining, is_clock),
        left=left(remaining, state.from_),
        caption="cancelled" if state.status == "cancelled" else "",
    )


def text(number: int, is_clock: bool) -> str:
    """The number as it is read; above 59 as minutes and seconds where asked."""
    if not is_clock or number < 60:
        return str(number)
    minutes, seconds = divmod(number, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def left(number: float, of: int) -> float:
    """How much of the ring is left: of the whole run, or of the minute where it is longer."""
    if of <= 60:
        return min(1, number / of)
    return 1 if number and number % 60 == 0 else number % 60 / 60
