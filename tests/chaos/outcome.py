"""The outcome of a scenario, and the checks that it is made of."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from auditor.history import Event

from . import checker, history
from .stack import Stack
from .stalls import Stalls
from .viewers import Viewer

NOTICEABLE_MS = 100.0
"""A viewer who gets a number this late has seen the wrong number until then."""


class CannotRunError(Exception):
    """A scenario can't be run on this machine; the text says why."""


@dataclass
class Outcome:
    """What was counted in all rounds of a scenario."""

    rounds: int = 0
    runs: int = 0
    lost: int = 0
    """Ticks that are missing in the stream or at a viewer."""
    duplicated: int = 0
    late_ms: float | None = None
    """The worst lateness of a tick, from its due time until it was stored."""
    recovery_seconds: float | None = None
    """Seconds from the fault until the last late number at any viewer."""
    last_recovery_seconds: float = 0.0
    """The same, of the last round."""
    last_seen_late_ms: float = 0.0
    """In the last round, the worst lateness of a tick at a viewer."""
    violations: list[str] = field(default_factory=list)
    """Everything that was expected and did not hold."""
    exceeded: list[str] = field(default_factory=list)
    """Times over a limit: on a busy machine they need not be the system's fault."""
    audited: int = 0
    """Ticks that the auditor has checked."""
    figures: dict[str, float] = field(default_factory=dict)
    """Other measures, the worst of all rounds."""
    cannot_run: str = ""
    stalls: Stalls = field(default_factory=Stalls)
    """The machine's own share of the delays."""

    @property
    def holds(self) -> bool:
        return not (self.lost or self.duplicated or self.violations)

    def worst(self, name: str, value: float) -> None:
        """Note a figure of which the largest counts."""
        self.figures[name] = max(value, self.figures.get(name, value))

    def least(self, name: str, value: float) -> None:
        """Note a figure of which the smallest counts."""
        self.figures[name] = min(value, self.figures.get(name, value))

    def require(self, is_so: bool, violation: str) -> None:
        """Note a violation if something that must hold does not."""
        if not is_so:
            self.violations.append(violation)

    def late(self, milliseconds: float) -> None:
        self.late_ms = max(milliseconds, self.late_ms or 0.0)

    def check_stream(self, events: Sequence[Event], names: Iterable[str]) -> None:
        """Check the runs with these names in the stream."""
        by_run = history.by_run(list(events))
        for name in names:
            self.runs += 1
            if name not in by_run:
                self.violations.append(f"run {name} is not in the stream")
                continue
            verdict = checker.check(by_run[name])
            self.lost += verdict.lost
            self.duplicated += verdict.duplicated
            self.late(verdict.late_ms)
            self.violations += verdict.wrong
            if verdict.early_ms > 0:
                self.worst("tick early, ms", verdict.early_ms)

    def check_viewers(
        self,
        events: Sequence[Event],
        names: Iterable[str],
        viewers: Sequence[Viewer],
        fault_at: float | None = None,
    ) -> None:
        """Check what the viewers got of these runs; `fault_at` is in ms since the Unix epoch."""
        by_run, names = history.by_run(list(events)), set(names)
        for name in names:
            ticks = [event for event in by_run.get(name, []) if event.type == "tick"]
            if not ticks:
                continue
            for viewer in viewers:
                if viewer.room != ticks[0].room:
                    continue
                seen = Counter(tick.seq for tick in viewer.ticks if tick.run == name)
                self.lost += sum(1 for tick in ticks if tick.seq not in seen)
                self.duplicated += sum(seen.values()) - len(seen)
        self.require(
            not any(viewer.order_faults for viewer in viewers), "frames out of order at a viewer"
        )
        ticks_seen = [tick for viewer in viewers for tick in viewer.ticks if tick.run in names]
        self.last_seen_late_ms = max((tick.at - tick.due for tick in ticks_seen), default=0.0)
        if fault_at is not None:
            self.last_recovery_seconds = _recovery_seconds(viewers, names, fault_at)
            self.recovery_seconds = max(self.recovery_seconds or 0.0, self.last_recovery_seconds)

    def check_services(self, stack: Stack) -> None:
        """No service may have ended, and none may have logged a traceback."""
        self.violations += stack.exits()
        for name, service in stack.services.items():
            if "Traceback" in (log := service.process.log()):
                self.violations.append(
                    f"{name} logged a traceback: {log[log.index('Traceback') :][:600]}"
                )


def _recovery_seconds(viewers: Sequence[Viewer], names: set[str], fault_at: float) -> float:
    """Seconds from the fault until the last number that arrived noticeably late."""
    late = [
        tick.at - fault_at
        for viewer in viewers
        for tick in viewer.ticks
        if tick.run in names and tick.at - tick.due > NOTICEABLE_MS and tick.at > fault_at
    ]
    return max(late, default=0.0) / 1000
