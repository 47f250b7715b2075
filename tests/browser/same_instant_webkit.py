"""How nearly two screens of WebKit change together, both direct and with the machine's clock."""

from collections.abc import Callable

from .same_instant import CHANGES, INTERVAL_MS, OVER, Seen
from .stack import Stack
from .webkit import WebKitPage

# What a page of WebKit records by the machine's clock, in ms. Its driver can't run a script
# before the page's own, so the page has no other clocks.
CHANGED = """() => {
  window.changes = {};
  const number = document.getElementById("number");
  window.over = new Promise((resolve) => {
    new MutationObserver(() => {
      window.changes[number.textContent] ??= Date.now();
      if (number.textContent === "0") resolve(true);
    }).observe(number, {childList: true});
  });
}"""


def measure_webkit(
    stack: Stack, room: str, open_page: Callable[[str], WebKitPage], changes: int = CHANGES
) -> tuple[Seen, Seen]:
    """Let one run go over two screens of WebKit, both direct and with the machine's clock."""
    pages = [open_page(stack.page(room, "?view=stage")) for _ in range(2)]
    for page in pages:
        page.evaluate(CHANGED)
        page.wait_for("() => document.documentElement.dataset.light === 'green'")
    stack.start(room, **{"from": changes, "interval_ms": INTERVAL_MS})
    seen = []
    for page in pages:
        page.wait_for(OVER, changes * INTERVAL_MS / 1000 + 20)
        at = page.evaluate("() => window.changes")
        assert isinstance(at, dict)
        seen.append(Seen({int(text): when for text, when in at.items() if text}))
    return seen[0], seen[1]
