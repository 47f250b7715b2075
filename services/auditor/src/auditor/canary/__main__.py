"""Count once: `python -m auditor.canary URL`; exit status 0 if all is well, 1 if not."""

import argparse
import asyncio
import sys

from ..command import from_command
from .count import Terms, count


def main() -> int:
    """The program."""
    parser = argparse.ArgumentParser(
        prog="python -m auditor.canary",
        description="Start a run through the page at URL and count it in two viewers.",
        epilog="CONTROL_TOKEN is the token to start it with, if one is needed; a room's address "
        "with a link does as well. Exit status: 0 if both viewers got every number once and in "
        "order, 1 if not, 2 if called wrongly.",
    )
    parser.add_argument("url", help="the site, or a room's page: http://localhost:8080")
    parser.add_argument("--room", default="", help="by default one whose name nobody guesses")
    parser.add_argument("--interval-ms", type=_interval, default=300, help="between two ticks; 300")
    parser.add_argument(
        "--patience", type=_seconds, default=10.0, help="seconds that zero may be late; 10"
    )
    parser.add_argument("--json", action="store_true", help="print an object instead of a table")
    given = parser.parse_args()
    report = asyncio.run(
        count(from_command(parser, given.url, given.room), Terms(given.interval_ms, given.patience))
    )
    print(report.as_json() if given.json else report.as_table())
    return 0 if report.is_good else 1


def _interval(text: str) -> int:
    if not text.isdecimal() or not 100 <= int(text) <= 60_000:
        raise argparse.ArgumentTypeError("milliseconds, 100 to 60000")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 600:
        raise argparse.ArgumentTypeError("seconds, 600 at most")
    return seconds


if __name__ == "__main__":
    sys.exit(main())
