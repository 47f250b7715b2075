"""What a row of the table has shown, and how it is found out."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from . import truth
from .stack import Stack
from .stalls import Stalls
from .viewers import Viewer

NOTICEABLE_MS = 100.0
"""A number that is this late on a viewer is the wrong number until it comes."""


class CannotRunError(Exception):
    """A row can't be tried on this machine; the text says why."""


@dataclass
class Outcome:
    """What was counted in all rounds of a row."""

    rounds: int = 0
    runs: int = 0
    lost: int = 0
    """Ticks that the stream or a viewer should have and has not."""
    doubled: int = 0
    late_ms: float | None = None
    """The worst lateness of a tick, from its due time to its place in the stream."""
    latest_run: Sequence[truth.Fact] = ()
    """The run with that tick."""
    right_again: float | None = None
    """Seconds from the fault until the last outdated number on any viewer."""
    last_right_again: float = 0.0
    """The same, of the last round."""
    last_seen_late_ms: float = 0.0
    """In the last round, the worst lateness of a tick at a viewer."""
    broken: list[str] = field(default_factory=list)
    """What must hold and did not."""
    exceeded: list[str] = field(default_factory=list)
    """Times that were longer than they should be: on a machine that is busy, not always a fault."""
    figures: dict[str, float] = field(default_factory=dict)
    """Other measures, the worst of all rounds."""
    cannot_run: str = ""
    stalls: Stalls = field(default_factory=Stalls)
    """The machine's own part in what was late."""

    @property
    def holds(self) -> bool:
        return not (self.lost or self.doubled or self.broken)

    def worst(self, name: str, value: float) -> None:
        """Note a figure of which the largest counts."""
        self.figures[name] = max(value, self.figures.get(name, value))

    def least(self, name: str, value: float) -> None:
        """Note a figure of which the smallest counts."""
        self.figures[name] = min(value, self.figures.get(name, value))

    def demand(self, is_so: bool, otherwise: str) -> None:
        """Note what is broken where something that must hold does not."""
        if not is_so:
            self.broken.append(otherwise)

    def late(self, milliseconds: float) -> None:
        self.late_ms = max(milliseconds, self.late_ms or 0.0)

    def judge_stream(self, facts: Sequence[truth.Fact], names: Iterable[str]) -> None:
        """Judge what the stream holds of the runs with these names."""
        by_run = truth.runs(list(facts))
        for name in names:
            self.runs += 1
            if name not in by_run:
                self.broken.append(f"the stream does not know run {name}")
                continue
            verdict = truth.judge(by_run[name])
            self.lost += verdict.lost
            self.doubled += verdict.doubled
            if verdict.late_ms > (self.late_ms or 0.0):
                self.latest_run = by_run[name]
            self.late(verdict.late_ms)
            self.broken += verdict.wrong
            if verdict.early_ms > 0:
                self.worst("tick early, ms", verdict.early_ms)

    def judge_viewers(
        self,
        facts: Sequence[truth.Fact],
        names: Iterable[str],
        viewers: Sequence[Viewer],
        fault_at: float | None = None,
    ) -> None:
        """Judge what the viewers got of these runs; `fault_at` is in ms since the Unix epoch."""
        by_run, names = truth.runs(list(facts)), set(names)
        for name in names:
            ticks = [fact for fact in by_run.get(name, []) if fact.type == "tick"]
            if not ticks:
                continue
            for viewer in viewers:
                if viewer.room != ticks[0].room:
                    continue
                seen = Counter(tick.seq for tick in viewer.ticks if tick.run == name)
                self.lost += sum(1 for tick in ticks if tick.seq not in seen)
                self.doubled += sum(seen.values()) - len(seen)
        self.demand(
            not any(viewer.order_faults for viewer in viewers), "frames out of order at a viewer"
        )
        ticks_seen = [tick for viewer in viewers for tick in viewer.ticks if tick.run in names]
        self.last_seen_late_ms = max((tick.at - tick.due for tick in ticks_seen), default=0.0)
        if fault_at is not None:
            self.last_right_again = _right_again(viewers, names, fault_at)
            self.right_again = max(self.right_again or 0.0, self.last_right_again)

    def judge_services(self, stack: Stack) -> None:
        """No service may have ended, and none may have logged a traceback."""
        self.broken += stack.exits()
        for name, service in stack.services.items():
            if "Traceback" in (log := service.process.log()):
                self.broken.append(
                    f"{name} logged a traceback: {log[log.index('Traceback') :][:600]}"
                )


def _right_again(viewers: Sequence[Viewer], names: set[str], fault_at: float) -> float:
    """Seconds from the fault until the last number that came noticeably late."""
    outdated = [
        tick.at - fault_at
        for viewer in viewers
        for tick in viewer.ticks
        if tick.run in names and tick.at - tick.due > NOTICEABLE_MS and tick.at > fault_at
    ]
    return max(outdated, default=0.0) / 1000
