"""What a room's page shows before its script runs: number, ring and caption, from the state alone.

The script computes the same with a better clock (`static/countdown.js`). Both are tested with the
cases in `services/frontend/tests/countdown-cases.json`.
"""

import math
from typing import Literal

from msgspec import Struct

from protocol.state import State, Status

from .plan import as_planned, pending_holds

DELAY_MS = 250
"""Every number is shown this long after it is due, on every screen of every room: longer than
nearly every path from the scheduler to a screen takes, so that all change at once. The script gets
it in the page's data."""

_DAY = 86_400

Phase = Literal["", "warning", "danger"]
_PHASES: dict[Phase, str] = {"": "", "warning": "soon over", "danger": "almost over"}
"""What the phases are called, for whoever sees no colours."""


class FirstPaint(Struct, frozen=True, kw_only=True):
    """`number` as text, `left` of the ring from 0 to 1, the words below the number, and the time to
    zero with its planned holds, empty if none with a length is left."""

    number: str
    left: float
    caption: str
    to_zero: str = ""
    status: Status | Literal["overtime"] = "idle"
    phase: Phase = ""

    @property
    def size(self) -> int | Literal["days"]:
        """The number of characters that the font size fits: 10 and 9 are equally large."""
        return "days" if "d" in self.number else min(max(len(self.number), 2), 10)

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
    now = now_ms - DELAY_MS
    state = as_planned(state, now)
    first, interval_ms, starts_at = state.from_, state.interval_ms, state.starts_at
    is_idle = state.status in ("idle", "unknown")
    if is_idle or first is None or interval_ms is None or starts_at is None:
        return FirstPaint(number="", left=1, caption="ready")
    if state.status == "cancelled":
        remaining = state.remaining
        return FirstPaint(
            number="" if remaining is None else number_text(remaining, is_clock, interval_ms),
            left=1 if remaining is None else ring_left(remaining, first),
            caption="ended" if remaining == 0 else "cancelled",
            status="cancelled",
        )
    moment = now if state.held_at is None else min(now, state.held_at)
    elapsed = (moment - starts_at) / interval_ms
    passed = math.floor(elapsed) if state.after_zero == "count" else min(first, int(elapsed))
    number = None if elapsed < 0 else first - passed
    phase = phase_of(state, number)
    status = status_at(state, number, now)
    return FirstPaint(
        number="" if number is None else number_text(number, is_clock, interval_ms),
        left=1 if number is None else ring_left(max(0, first - elapsed), first),
        caption=held_words(state, now) if status == "held" else words(status, number, phase),
        to_zero=to_zero_text(state, number, now),
        status=status,
        phase=phase,
    )


def status_at(state: State, number: int | None, now_ms: float) -> Status | Literal["overtime"]:
    """The status with `number` to show at `now_ms`: of a run that is not cancelled."""
    if state.held_at is not None and now_ms >= state.held_at:
        return "held"
    if number is None:
        return "scheduled"
    if number > 0:
        return "running"
    if state.after_zero == "count":
        return "overtime"
    return "finished" if state.status == "finished" else "running"


def phase_of(state: State, number: int | None) -> Phase:
    """The phase of a run by its number; in overtime it has none."""
    if number is None or number < 0:
        return ""
    if state.danger is not None and number <= state.danger:
        return "danger"
    return "warning" if state.warning is not None and number <= state.warning else ""


def held_words(state: State, now_ms: float) -> str:
    """The words below the number of a held run: for how long it is held, or when it goes on."""
    if state.held_until is not None:
        return f"goes on in {short_text(math.ceil((state.held_until - now_ms) / 1000))}"
    return f"held for {short_text(int((now_ms - (state.held_at or 0)) / 1000))}"


def words(status: Status | Literal["overtime"], number: int | None, phase: Phase) -> str:
    """The words below the number; none while it counts without a phase."""
    match status:
        case "overtime":
            return "over time"
        case "scheduled":
            return "starting soon"
        case _:
            return _PHASES[phase] if number else ""


def to_zero_text(state: State, number: int | None, now_ms: float) -> str:
    """The time to zero with the planned holds, as text; empty if none with a length is left."""
    holds_ms = sum(hold.for_ms or 0 for hold in pending_holds(state))
    if state.held_at is not None and state.held_until is not None:
        rest_ms = state.held_until - max(now_ms, state.held_at)
        holds_ms += math.ceil(rest_ms / 1000) * 1000
    if not number or not holds_ms:
        return ""
    seconds = math.ceil((number * (state.interval_ms or 0) + holds_ms) / 1000)
    return f"L\N{MINUS SIGN} {short_text(seconds)}"


def number_text(number: int, is_clock: bool, interval_ms: int) -> str:
    """The number as text, with a plus sign below zero. Seconds are days and a time from a day on;
    above 59 they are minutes and seconds if `is_clock`."""
    if number < 0:
        return f"+{number_text(-number, is_clock, interval_ms)}"
    is_days = interval_ms == 1000 and number >= _DAY
    return clock_text(number) if is_days or (is_clock and number >= 60) else str(number)


def clock_text(seconds: int) -> str:
    """Seconds as m:ss, from an hour on as h:mm:ss, from a day on with the days."""
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        # A line breaks only after the days.
        return f"{days}\N{NO-BREAK SPACE}d {hours:02}:{minutes:02}:{seconds:02}"
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def short_text(seconds: int) -> str:
    """Seconds as a time, from a day on as days and hours: below the number the ring is narrow."""
    if seconds < _DAY:
        return clock_text(seconds)
    return f"{seconds // _DAY} d {seconds % _DAY // 3600} h"


def ring_left(number: float, first: int) -> float:
    """How much of the ring is left: of the whole run, or of the minute if the run is longer."""
    if first <= 60:
        return min(1, number / first)
    return 1 if number > 0 and number % 60 == 0 else number % 60 / 60
