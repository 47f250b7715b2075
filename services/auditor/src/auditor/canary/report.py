"""What a canary has seen: as a short table for people, or as JSON for scripts."""

import json
from statistics import median

from msgspec import Struct, field


class View(Struct):
    """What one viewer got: when each number arrived, in milliseconds after it was due."""

    late_ms: dict[int, float] = field(default_factory=dict)
    error_ms: float = 0.0
    """The most by which each of these is wrong, since the server's clock is only estimated."""
    drops: int = 0
    """How often it lost its connection, and came back."""


class Report(Struct):
    """One run of a canary: what failed, each in a sentence, and what the viewers got."""

    page: str
    room: str
    run: str = ""
    failures: list[str] = field(default_factory=list)
    views: list[View] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        return not self.failures

    def as_json(self) -> str:
        """For scripts: one object."""
        return json.dumps(
            {
                "ok": self.is_good,
                "page": self.page,
                "room": self.room,
                "run": self.run,
                "failures": self.failures,
                "viewers": [
                    {
                        "late_ms": {str(number): ms for number, ms in view.late_ms.items()},
                        "clock_error_ms": view.error_ms,
                        "drops": view.drops,
                    }
                    for view in self.views
                ],
            }
        )

    def as_table(self) -> str:
        """For people: lateness by number and viewer, then what failed."""
        lines = [f"{self.page}, run {self.run or 'none'}"]
        numbers = sorted({number for view in self.views for number in view.late_ms}, reverse=True)
        if numbers:
            names = [f"viewer {place}" for place in range(1, len(self.views) + 1)]
            lines.append(_line("late, ms", names))
            for number in numbers:
                lines.append(
                    _line(f"{number}", [_ms(view.late_ms.get(number)) for view in self.views])
                )
            for name, figure in (("median", median), ("worst", max)):
                lines.append(
                    _line(name, [_ms(figure(view.late_ms.values() or [0])) for view in self.views])
                )
            lines.append(_line("give or take", [_ms(view.error_ms) for view in self.views]))
        return "\n".join([*lines, *(f"FAILED: {failure}." for failure in self.failures)])


def _line(name: str, cells: list[str]) -> str:
    return f"{name:<12}" + "".join(f"{cell:>12}" for cell in cells)


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
