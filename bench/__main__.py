"""Run the benchmark, all of it or some parts: `python -m bench [--quick] [PART...]`.

The environment may say it, too: QUICK=1, ONLY=part for one part,
SERVERS=bun,picows for some of the servers only,
ROUNDS=n for so many rounds of the part `watched`, or of `workers` or `pages`: these two, and
`many`, are printed, for docs/scaling.md, and measured only if they are asked for. VIEWERS="n …"
are other sizes of the crowd of `many`.
"""

import argparse
import asyncio
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from bench import (
    build,
    machine,
    many,
    report,
    results,
    viewer_cost,
    watched_report,
    workers,
)
from bench.parts import NAMED, NEEDS_PEERS, PARTS, say
from bench.results import Results
from bench.servers import SERVERS

MOST_FILES = 120_000
"""Enough for a process with the largest crowd of `many`."""


async def measure(parts: Sequence[str], quick: bool) -> Results:
    """Measure the parts; those that are not asked for keep the figures of the run before."""
    is_whole = set(parts) == set(PARTS) and not NAMED
    found = Results() if is_whole else results.read()
    found.is_quick, found.machine = quick, machine.describe()
    found.is_pieced = not is_whole
    if NEEDS_PEERS.isdisjoint(parts):
        build.build_load()
    else:
        found.left_out = build.build_all()
    for part in parts:
        say(f"{part}:")
        await PARTS[part](found, quick)
        found.save()
    return found


def main() -> None:
    """Measure, draw, and write docs/performance.md."""
    arguments = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    arguments.add_argument("--quick", action="store_true", default=bool(os.environ.get("QUICK")))
    arguments.add_argument(
        "parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}, or just report"
    )
    chosen = arguments.parse_args()
    chosen.parts = chosen.parts or os.environ.get("ONLY", "").split()
    if unknown := set(chosen.parts) - {*PARTS, "report", "workers", "pages", "many"}:
        arguments.error(f"no such part: {', '.join(sorted(unknown))}")
    if unknown := set(NAMED) - {server.name for server in SERVERS}:
        arguments.error(f"no such server: {', '.join(sorted(unknown))}")
    files = machine.raise_file_limit(MOST_FILES)
    machine.take_precedence()
    if chosen.parts == ["many"]:
        build.build_load()
        given = os.environ.get("VIEWERS", "1000 2000" if chosen.quick else "").split()
        sizes = tuple(map(int, given)) or many.SIZES
        print(asyncio.run(many.measure(files, sizes)))
        return
    if chosen.parts == ["workers"]:
        build.build_load()
        rounds, viewers = (1, 1000) if chosen.quick else (int(os.environ.get("ROUNDS", "5")), 8000)
        print(asyncio.run(workers.measure(rounds, viewers)))
        return
    if chosen.parts == ["pages"]:
        build.build_load()
        rounds = 1 if chosen.quick else int(os.environ.get("ROUNDS", "3"))
        viewers = 1000 if chosen.quick else 10_000
        print(asyncio.run(viewer_cost.measure(rounds, viewers, seconds=20)))
        return
    parts = [part for part in (chosen.parts or PARTS) if part != "report"]
    found = asyncio.run(measure(parts, chosen.quick)) if parts else results.read()
    python = machine.CACHE / "venv" / "bin" / "python"
    docs: Path = machine.ROOT / "docs"
    docs.mkdir(exist_ok=True)
    page = docs / "performance.md"
    if parts == ["watched"] and not found.crowds and page.exists():
        page.write_text(watched_report.with_section(page.read_text(), found))
        say("docs/performance.md has the part's section, and all else as it was")
        return
    if python.exists():
        subprocess.run(
            [python, machine.ROOT / "bench" / "plots.py", results.FILE, docs], check=True
        )
    page.write_text(report.write(found, has_plots=python.exists()))
    say("docs/performance.md is written")


if __name__ == "__main__":
    main()
