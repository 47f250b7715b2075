"""What the schedulers have taken on, and the most that they take on: runs, and ticks a second."""

from typing import Final

from prometheus_client import Counter, Gauge

from protocol.events import Started, Terms
from protocol.rules import Countdown
from runtime.metrics import from_zero

RETRY_AFTER_SECONDS: Final = 5
"""When to try again: nobody knows when a run will be cancelled, but most are short."""

_counting = Gauge("tminus_rooms_counting", "Rooms with a run under way.")
_most_counting = Gauge("tminus_rooms_counting_limit", "The most runs that may be under way.")
_ticks = Gauge(
    "tminus_run_ticks_per_second", "The ticks a second of all runs under way, one of each at least."
)
_most_ticks = Gauge("tminus_run_ticks_per_second_limit", "The most that these may be.")
_refused = from_zero(
    Counter("tminus_starts_refused_total", "Starts over a limit, by reason.", ["reason"]),
    *("runs", "ticks"),
)


class TooMuch(Exception):
    """A start is refused: with it there would be more than the schedulers take on."""

    def __init__(self, reason: str, words: str) -> None:
        super().__init__(words)
        self.reason = reason

    def count(self) -> None:
        """It is the answer, not only what was known without reading the room."""
        _refused.labels(self.reason).inc()


class Load:
    """The runs under way in all rooms.

    Every run counts from its start on, even if it is scheduled for tomorrow: all of them may be
    scheduled for the same second. So does one that is held, and no resume is ever refused. Replicas
    count what each has read from the stream, so together they may take on some more than the limit,
    never much.
    """

    def __init__(self, max_runs: int, max_ticks_per_second: int) -> None:
        self._max_runs = max_runs
        self._max_microticks = max_ticks_per_second * 1_000_000
        _most_counting.set(max_runs)
        _most_ticks.set(max_ticks_per_second)
        self._runs = 0
        self._microticks = 0
        """Whole millionths of ticks a second, so that sums and differences are exact."""

    def check(self, event: Started) -> None:
        """Raise TooMuch if the schedulers don't take on the run."""
        if self._runs >= self._max_runs:
            reason, words = "runs", f"{self._max_runs} countdowns are under way, the most allowed"
        elif self._microticks + _microticks(event.interval_ms) > self._max_microticks:
            reason, words = "ticks", "the countdowns under way take all ticks a second allowed"
        else:
            return
        raise TooMuch(reason, f"{words}: try again later")

    def replace(self, before: Countdown, after: Countdown) -> None:
        """A room's countdown has changed."""
        if _interval_ms(before) == _interval_ms(after):
            return  # one more tick of a run, most of the time
        self._count(before, -1)
        self._count(after, 1)
        _counting.set(self._runs)
        _ticks.set(self._microticks / 1_000_000)

    def _count(self, countdown: Countdown, sign: int) -> None:
        if (interval_ms := _interval_ms(countdown)) is not None:
            self._runs += sign
            self._microticks += sign * _microticks(interval_ms)


def _interval_ms(countdown: Countdown) -> int | None:
    """The interval of the run under way; None if there is none."""
    last = countdown.last
    return last.interval_ms if countdown.is_under_way and isinstance(last, Terms) else None


def _microticks(interval_ms: int) -> int:
    """One tick a second at least: those of slow runs may all be due in the same second."""
    return 1_000_000_000 // min(interval_ms, 1000)
