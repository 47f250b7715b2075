"""Prints docs/same-instant.md's tables: `python -m browser.same_instant_report [firefox|webkit]`.

A screen is a machine of its own. So each browser has a core to itself, if there are two, and the
services run there while it does nothing.
"""

import sys
import tempfile
from itertools import cycle
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from support.cores import give_way, two_cores

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
from .stack import running
from .webkit import WebKitPage

PAIRS = ([DIRECT, DISTANT], [DIRECT, ASYMMETRIC], [DIRECT, UNSYNCED], [FAST, SLOW])


def main(browser_name: str) -> None:
    """Measure everything once, and print the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if browser_name == "webkit":
            _measure_webkit(folder)
        else:
            runs = _measure_all(browser_name, folder)
            sys.stdout.write(table(runs) + "\n")


def _measure_all(browser_name: str, folder: Path) -> list[dict[str, Seen]]:
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
        give_way()
        with running(folder) as stack:
            for screens in PAIRS:
                runs.append(measure(stack, f"room-{len(runs)}", screens, open_page))
                for browser in browsers:
                    for context in browser.contexts:
                        context.close()
        for browser in browsers:
            browser.close()
        return runs


def _measure_webkit(folder: Path) -> None:
    program = webkit.program()
    assert program is not None, "no WebKit"
    with webkit.opening(program, two_cores()) as open_page:
        pages = iter([open_page("about:blank") for _ in range(2)])

        def go(address: str) -> WebKitPage:
            page = next(pages)
            page.goto(address)
            return page

        give_way()
        with running(folder) as stack:
            apart = spreads(*measure_webkit(stack, "webkit", go))
    sys.stdout.write(f"two screens, direct: {figures(apart)} apart, {len(apart)} changes\n")


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
