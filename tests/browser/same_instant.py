"""How nearly screens change together, in Chromium and Firefox.

Every page gets clocks of its own, wrong by minutes and by 140 millionths, and keeps the real one
aside as the truth. What is measured is the moment at which the number in the page changes.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from playwright.sync_api import Page

from .slow_way import Way, slow_way
from .stack import Stack
from .watching import wait_green

CHANGES = 200
INTERVAL_MS = 200
FAR = Way(there=100, back=100, jitter=30)
LOPSIDED = Way(there=150, back=50, jitter=30)
UNEVEN = Way(there=20, back=20, jitter=10)
MINUTES_MS = 300_000

# `truth` is the machine's clock, which the services go by; what the page reads is another one.
CLOCKS = """
(() => {
  const real = performance.now.bind(performance);
  const [offset, rate] = [%(offset)f, %(rate)f];
  window.truth = () => performance.timeOrigin + real();
  performance.now = () => real() * (1 + rate);
  Date.now = () => Math.floor(performance.timeOrigin + offset + performance.now());
  window.changes = {};
  window.errors = [];
  addEventListener("DOMContentLoaded", () => {
    const number = document.getElementById("number");
    window.over = new Promise((resolve) => {
      new MutationObserver(() => {
        window.changes[number.textContent] ??= window.truth();
        if (number.textContent === "0") resolve(true);
      }).observe(number, {childList: true});
    });
  });
})();
"""

# A page that takes its own clock for the server's.
WITHOUT_SYNC = """
(() => {
  const { parse } = JSON;
  JSON.parse = (text) => {
    const value = parse(text);
    if (value?.server_time) value.server_time = Date.now();
    return value;
  };
})();
"""

# A page that hears only what makes its time known: over a second, and an uneven way, nobody can
# tell how clocks drift.
WITHOUT_DRIFT = """
(() => {
  const { parse } = JSON;
  let pongs = 0;
  JSON.parse = (text) => {
    const value = parse(text);
    if (value?.type !== "pong" || ++pongs <= 8) return value;
    // The page must not think that it is cut off, so it hears something that means nothing.
    setInterval(() => window.socket.onmessage({data: '{"type":"nothing"}'}), 1000);
    return {type: "nothing"};
  };
  const Socket = WebSocket;
  window.WebSocket = function (address) { return (window.socket = new Socket(address)); };
})();
"""

WATCH = """
async () => {
  const { clock } = await import(document.querySelector("script[type=module]").src);
  setInterval(() => {
    const before = window.truth();
    const time = clock.time();
    // Whoever was interrupted in between knows nothing of the moment.
    if (window.truth() - before > 0.15) return;
    window.errors.push([time - before, clock.bound(), clock.likely()]);
  }, 50);
}
"""

# The page says when it is over. To ask it again and again would make it late: the question is
# answered in the thread that changes the number.
OVER = """() => Promise.race([
  window.over, new Promise((resolve) => setTimeout(resolve, 20_000, false)),
])"""

# A page that does nothing but be on time: as late as it is, the machine makes everybody.
WITNESS = """
() => {
  window.worst = 0;
  const next = (moment) => setTimeout(() => {
    while (performance.now() < moment);
    window.worst = Math.max(window.worst, performance.now() - moment);
    next(performance.now() + 130);
  }, moment - performance.now() - 6);
  next(performance.now() + 130);
}
"""


@dataclass(frozen=True)
class Screen:
    """One page: its clocks, the way to its coordinator, and what is wrong with it on purpose."""

    name: str
    offset_ms: float = 0
    rate: float = 0
    way: Way | None = None
    script: str = ""


@dataclass
class Seen:
    """What one screen did: the moment of each number, and the error of its clock with its bound."""

    changes: dict[int, float] = field(default_factory=dict)
    errors: list[tuple[float, float, float]] = field(default_factory=list)

    @property
    def worst_error(self) -> float:
        return max(abs(error) for error, _, _ in self.errors)

    @property
    def is_bound_kept(self) -> bool:
        return all(abs(error) <= bound for error, bound, _ in self.errors)


DIRECT = Screen("direct, clock 5 min fast, +140 ppm", MINUTES_MS, 140e-6)
DISTANT = Screen("100 ms + jitter each way, clock 5 min slow, -140 ppm", -MINUTES_MS, -140e-6, FAR)
ASYMMETRIC = Screen("150 ms there, 50 ms back", -MINUTES_MS, -140e-6, LOPSIDED)
UNSYNCED = Screen("control: no sync, clock 40 ms fast", 40, 0, None, WITHOUT_SYNC)
FAST = Screen("control: no drift correction, +190 ppm", MINUTES_MS, 190e-6, UNEVEN, WITHOUT_DRIFT)
SLOW = Screen("control: no drift correction, -190 ppm", MINUTES_MS, -190e-6, UNEVEN, WITHOUT_DRIFT)

Open = Callable[[str, str], Page]


def spreads(one: Seen, other: Seen) -> list[float]:
    """By how much the two screens changed apart, for each number that both showed."""
    both = one.changes.keys() & other.changes.keys()
    return [
        abs(one.changes[number] - other.changes[number]) for number in sorted(both, reverse=True)
    ]


def measure(
    stack: Stack, room: str, screens: list[Screen], open_page: Open, changes: int = CHANGES
) -> dict[str, Seen]:
    """Let one run of `changes` numbers go over all screens at once."""
    with ExitStack() as ways:
        pages = {
            screen.name: open_page(
                ways.enter_context(_reached(stack, screen)) + f"/r/{room}?view=stage",
                CLOCKS % {"offset": screen.offset_ms, "rate": screen.rate} + screen.script,
            )
            for screen in screens
        }
        for page in pages.values():
            wait_green(page)
        # The far screen's first pings take it eight seconds; a hall's have long been there.
        first = next(iter(pages.values()))
        first.wait_for_timeout(10_000)
        for page in pages.values():
            page.evaluate(WATCH)
        event = stack.start(room, **{"from": changes, "interval_ms": INTERVAL_MS})
        for page in pages.values():
            _wait_until_over(page, changes)
        return {name: _seen(page, event["from"]) for name, page in pages.items()}


def _wait_until_over(page: Page, changes: int) -> None:
    until = time.monotonic() + changes * INTERVAL_MS / 1000 + 20
    while not page.evaluate(OVER):
        assert time.monotonic() < until, "the run is not over"


def _seen(page: Page, first: int) -> Seen:
    changes = page.evaluate("window.changes")
    return Seen(
        # The first number waits for the event; the others are what the clock is for.
        {int(text): at for text, at in changes.items() if text and int(text) < first},
        [tuple(sample) for sample in page.evaluate("window.errors")],
    )


@contextmanager
def _reached(stack: Stack, screen: Screen) -> Iterator[str]:
    if screen.way is None:
        yield stack.address
        return
    with (
        slow_way(stack.coordinators[0].port, screen.way) as port,
        stack.another_frontend(f"localhost:{port}") as address,
    ):
        yield address


def figures(values: list[float]) -> str:
    """Median, p95 and worst."""
    ordered = sorted(values)
    p95 = ordered[int(len(ordered) * 0.95)]
    return f"{statistics.median(ordered):.2f} / {p95:.2f} / {ordered[-1]:.2f}"


def held_up(witness: Page) -> float:
    """By how much the machine held the witness up at worst, since this was asked last."""
    return float(
        witness.evaluate("() => { const {worst} = window; window.worst = 0; return worst; }")
    )
