"""Prints docs/same-instant.md's tables: `python -m browser.same_instant_report [firefox|webkit]`.

A screen is a machine of its own, so each browser has a core of its own, if there are two.
"""

import sys
import tempfile
from itertools import cycle
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from support.cores import two_cores

from . import webkit
from .conftest import launch
from .same_instant import (
    ASYMMETRIC,
    DIRECT,
    DISTANT,
    FAST,
    SLOW,
    UNSYNCED,
    Seen,
    figures,
    measure,
    spreads,
)
from .same_instant_webkit import measure_webkit
from .stack import Stack, running


def main(browser_name: str) -> None:
    """Measure everything once, and print the table."""
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as stack:
        if browser_name == "webkit":
            program = webkit.program()
            assert program is not None, "no WebKit"
            with webkit.opening(program, two_cores()) as open_page:
                apart = spreads(*measure_webkit(stack, "webkit", open_page))
            sys.stdout.write(f"two screens, direct: {figures(apart)} apart, {len(apart)} changes\n")
        else:
            sys.stdout.write(table(_measure_all(stack, browser_name, Path(folder))) + "\n")


def _measure_all(stack: Stack, browser_name: str, folder: Path) -> list[dict[str, Seen]]:
    with sync_playwright() as playwright:
        browsers = [launch(playwright, browser_name, folder, core) for core in two_cores()]
        turns = cycle(browsers)

        def open_page(address: str, script: str) -> Page:
            context = next(turns).new_context()
            context.add_init_script(script)
            page = context.new_page()
            page.goto(address)
            return page

        runs: list[dict[str, Seen]] = []
        for screens in ([DIRECT, DISTANT], [DIRECT, ASYMMETRIC], [DIRECT, UNSYNCED], [FAST, SLOW]):
            runs.append(measure(stack, f"room-{len(runs)}", screens, open_page))
            for browser in browsers:
                for context in browser.contexts:
                    context.close()
        for browser in browsers:
            browser.close()
        return runs


def table(runs: list[dict[str, Seen]]) -> str:
    """What was seen, as in docs/same-instant.md."""
    lines = [
        "| screen | apart from the one above | clock's true error | bound shown | bound kept |",
        "| --- | --- | --- | --- | --- |",
    ]
    for seen in runs:
        names = list(seen)
        for name in names:
            apart = "" if name == names[0] else figures(spreads(seen[names[0]], seen[name]))
            errors = figures([abs(error) for error, _, _ in seen[name].errors])
            bounds = [bound for _, bound, _ in seen[name].errors]
            kept = "always" if seen[name].is_bound_kept else "no"
            lines.append(
                f"| {name} | {apart} | {errors} | {min(bounds):.1f} to {max(bounds):.1f} | {kept} |"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    main(*sys.argv[1:] or ["chromium"])
