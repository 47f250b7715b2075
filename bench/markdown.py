"""Paragraphs, items and tables of a page, and what failed."""

from collections.abc import Iterable, Sequence
from textwrap import fill

from bench.results import Results

WIDTH = 100


def prose(text: str) -> str:
    return fill(" ".join(text.split()), WIDTH, break_long_words=False, break_on_hyphens=False)


def item(text: str) -> str:
    return fill(text, WIDTH, initial_indent="- ", subsequent_indent="  ", break_on_hyphens=False)


def table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def three(p50: float, p99: float, worst: float) -> str:
    return f"{p50:.1f} / {p99:.1f} / {worst:.1f}"


def failures(found: Results) -> list[str]:
    return [prose(f"Failed: {what}: {why}.") for what, why in sorted(found.failed.items())]
