"""The page in WebKit: room, status, same instant, stage, accessibility."""

import re
from collections.abc import Callable, Iterator

import pytest

from frontend.first_paint import DELAY_MS
from support.skip import skip

from . import webkit
from .same_instant import spreads
from .same_instant_webkit import measure_webkit
from .stack import Stack
from .test_accessibility import AXE, AXE_RUN, needs_axe
from .watching import DEFAULT_RUN
from .webkit import WebKitPage

CHANGES = 100
MEDIAN_MS = 10
P95_MS = 50

# Keeps every number that the page shows, and what its light said.
RECORD = """() => {
  const number = document.getElementById("number");
  window.shown = [];
  window.lights = [];
  const record = () => window.shown.push(number.textContent);
  new MutationObserver(record).observe(number, {childList: true});
  setInterval(() => {
    const {light} = document.documentElement.dataset;
    if (window.lights.at(-1) !== light) window.lights.push(light);
  }, 20);
}"""
# Keeps every status of the page with the moment it had it.
RECORD_STATUS = """() => {
  const root = document.documentElement;
  window.statuses = [];
  const record = () => window.statuses.push([root.dataset.status, Date.now()]);
  new MutationObserver(record).observe(root, {attributes: true, attributeFilter: ["data-status"]});
}"""
IS_GREEN = "() => document.documentElement.dataset.light === 'green'"

WebKitOpening = Callable[[str], WebKitPage]


@pytest.fixture
def open_webkit() -> Iterator[WebKitOpening]:
    browser = webkit.program()
    if browser is None:
        skip("no WebKit: install webkit2gtk-driver and xvfb")
        return
    with webkit.opening(browser) as open_page:
        yield open_page


def shows(text: str) -> str:
    return f"() => document.getElementById('number').textContent === '{text}'"


def is_status(status: str) -> str:
    return f"() => document.documentElement.dataset.status === '{status}'"


def watched(open_webkit: WebKitOpening, address: str) -> WebKitPage:
    page = open_webkit(address)
    page.evaluate(RECORD)
    page.wait_for(IS_GREEN)
    return page


def shown(page: WebKitPage) -> list[str]:
    numbers = page.evaluate("() => window.shown.filter(Boolean)")
    assert isinstance(numbers, list)
    return numbers


def test_a_tab_starts_a_run_and_shows_all_eleven_and_the_messages(
    stack: Stack, room: str, open_webkit: WebKitOpening
) -> None:
    page = watched(open_webkit, stack.page(room))
    page.click("#start button")
    page.wait_for(shows("8"))
    stack.send(room, "hello")
    page.wait_for("() => document.querySelector('#messages span')?.textContent === 'hello'")
    page.wait_for(shows("0"))
    assert shown(page) == DEFAULT_RUN


def test_the_light_is_steady_and_never_finer_than_the_clock(
    stack: Stack, room: str, open_webkit: WebKitOpening
) -> None:
    page = watched(open_webkit, stack.page(room))
    stack.start(room)
    page.wait_for(shows("0"))
    assert page.evaluate("() => window.lights.filter((light) => light === 'green').length") == 1
    said = re.fullmatch(r"in step, ± (\d+) ms", page.text("#status-words"))
    assert said is not None
    assert 1 < int(said[1]) <= 5


def test_a_lost_connection_is_an_estimate(
    own_stack: Stack, room: str, open_webkit: WebKitOpening
) -> None:
    page = watched(open_webkit, own_stack.page(room))
    own_stack.start(room)
    page.wait_for(shows("8"))
    for coordinator in own_stack.coordinators:
        coordinator.kill()
    page.wait_for("() => document.documentElement.dataset.light === 'estimating'")
    page.wait_for(shows("0"))
    assert shown(page) == DEFAULT_RUN
    own_stack.coordinators[0].start()
    page.wait_for(IS_GREEN, 30)


def test_two_screens_change_at_the_same_instant(
    stack: Stack, room: str, open_webkit: WebKitOpening
) -> None:
    apart = sorted(spreads(*measure_webkit(stack, room, open_webkit, CHANGES)))
    assert len(apart) > CHANGES * 0.9
    assert apart[CHANGES // 2] <= MEDIAN_MS
    assert apart[int(CHANGES * 0.95)] <= P95_MS


def test_two_screens_are_held_and_go_on_at_the_same_instant(
    stack: Stack, room: str, open_webkit: WebKitOpening
) -> None:
    pages = [watched(open_webkit, stack.page(room)) for _ in range(2)]
    for page in pages:
        page.evaluate(RECORD_STATUS)
    stack.start(room, **{"from": 500})
    pages[0].wait_for(shows("498"))
    pages[0].click("#hold")
    for page in pages:
        page.wait_for(is_status("held"))
    held = stack.ask("GET", f"/api/rooms/{room}")[1]["state"]
    resumed = stack.ask("POST", f"/api/rooms/{room}/countdown/resume", {})[1]
    for page in pages:
        page.wait_for(is_status("running"))
    here, there = (page.evaluate("() => window.statuses.slice(-2)") for page in pages)
    assert isinstance(here, list)
    assert isinstance(there, list)
    decided = [("held", held["held_at"]), ("running", resumed["at"])]
    for (status, at), mine, other in zip(decided, here, there, strict=True):
        assert mine[0] == other[0] == status
        assert abs(mine[1] - other[1]) < P95_MS
        assert abs(mine[1] - at - DELAY_MS) < P95_MS
    pages[0].click("#change button[value='60']")
    for page in pages:
        page.wait_for("() => Number(document.getElementById('number').textContent) > 500")


def test_a_stage_is_nothing_but_the_number_and_the_ring(
    stack: Stack, room: str, open_webkit: WebKitOpening
) -> None:
    page = watched(open_webkit, stack.page(room, "?view=stage"))
    stack.start(room)
    page.wait_for(shows("9"))
    assert page.evaluate("() => document.querySelectorAll('button, input, a, aside').length") == 0
    assert page.text("main").strip() == "9"
    is_turning = "() => document.getElementById('arc-first').getAnimations().length === 1"
    assert page.evaluate(is_turning)


@pytest.mark.parametrize("view", ["", "?view=stage"])
def test_axe_finds_nothing(stack: Stack, room: str, open_webkit: WebKitOpening, view: str) -> None:
    needs_axe()
    stack.send(room, "hello")
    page = watched(open_webkit, stack.page(room, view))
    stack.start(room)
    page.wait_for(shows("9"))
    found = page.evaluate(f"() => {{ {AXE.read_text()}; return {AXE_RUN}; }}")
    assert found == []
