"""The section of docs/performance.md about watched rooms."""

from bench.goals import watched
from bench.markdown import failures, prose, table
from bench.results import Results
from bench.versions import BEFORE

TITLE = "## Only the watched rooms"
TEXT = """
A coordinator follows the rooms that somebody watches. The one before, that of the commit {before},
followed them all; both are measured in turn, in the same environment. `make bench ONLY=watched`
measures this part alone and writes this section again (ROUNDS=n sets the rounds). `No later than
before` allows 5 %. A goal whose rounds failed has no row.
`BEFORE=REF` has it compared with another commit. Measured on {when}.
"""
NOTE = """
Ready counts from the start of the process, Python's own included. Each room here has one viewer,
over a WebSocket, and every frame is checked. `Stored` is the stream's own time stamp, at 20 events
and 20 messages a second in two rooms; `sent` is when a viewer on the same machine has read it.
Rounds of each: {rounds}; figures are their medians.
"""
IN_C = """
For the ticks of a quarter of the {rooms:,.0f} rooms a loop of `send()` in C takes {share:.2f} of
what it takes for those of all: the fewer come, the more of them wake it alone.
"""


def section(found: Results, *, only: bool = False) -> str:
    """The section, empty if nothing was measured; with `only`, also what failed."""
    rows = [
        (goal.figure, goal.asked, was, goal.measured, "yes" if goal.is_reached else "**no**")
        for goal, was in watched(found)
    ]
    if not rows:
        return ""
    heading = ("figure", "goal", "before", "now", "reached")
    return "\n\n".join(
        (
            TITLE,
            prose(TEXT.format(when=found.watched_on, before=BEFORE)),
            table(heading, rows),
            prose(NOTE.format(rounds=found.watched_rounds)),
            *_in_c(found),
            *(failures(found) if only else ()),
        )
    )


def _in_c(found: Results) -> list[str]:
    now = found.watched.get("now")
    if now is None or now.divided is None or now.quarter_in_c is None:
        return []
    return [prose(IN_C.format(rooms=now.divided.rooms, share=now.quarter_in_c))]


def with_section(page: str, found: Results) -> str:
    """The page with its section about watched rooms rewritten, and all else as it was."""
    before, _, after = page.partition(TITLE)
    after = after.partition("\n## ")[2] if after else ""
    if not after:
        before, _, after = page.partition("\n## What was learned")
        after = "What was learned" + after
    return f"{before.rstrip()}\n\n{section(found, only=True)}\n\n## {after}"
