"""Any life of a tab: hidden, frozen, put aside and taken back, in a tunnel, with a wild clock.

Playwright keeps every page visible, awake and out of the back-forward cache, so these tests start a
browser of their own and change nothing of it.
"""

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, Playwright, expect

from frontend.first_paint import DELAY_MS
from support.process import Process

from .conftest import FLAGS, Opening, executable
from .stack import READY_SECONDS, Stack
from .watching import light, number, shown, wait_for, wait_green

ENDPOINT = "DevToolsActivePort"


@pytest.fixture
def tabs(playwright: Playwright, tmp_path: Path) -> Iterator[BrowserContext]:
    """The tabs of an ordinary browser: only one of them is visible."""
    profile = tmp_path / "profile"
    command = [
        executable(playwright),
        "--headless=new",
        "--remote-debugging-port=0",
        f"--user-data-dir={profile}",
        *FLAGS,
        "about:blank",
    ]
    process = Process("chromium", command, os.environ, tmp_path)
    process.start()
    try:
        port = _wait_for_port(profile / ENDPOINT)
        browser = playwright.chromium.connect_over_cdp(f"http://127.0.0.1:{port}", no_defaults=True)
        yield browser.contexts[0]
        browser.close()
    finally:
        process.stop()


def _wait_for_port(file: Path) -> str:
    until = time.monotonic() + READY_SECONDS
    while True:
        lines = file.read_text().splitlines() if file.exists() else []
        if lines:
            return lines[0]
        assert time.monotonic() < until, "the browser does not start"
        time.sleep(0.05)


def opened(tabs: BrowserContext, address: str) -> Page:
    page = tabs.pages[0]
    page.goto(address)
    wait_green(page)
    return page


def hide(tabs: BrowserContext) -> Page:
    """Put another tab in front."""
    other = tabs.new_page()
    other.bring_to_front()
    return other


def right_number(event: dict[str, Any]) -> int:
    """What a page is to show of a run at this moment."""
    elapsed = (time.time() * 1000 - DELAY_MS - event["starts_at"]) / event["interval_ms"]
    return max(0, int(event["from"]) - int(elapsed))


def assert_right_within_a_second(page: Page, event: dict[str, Any]) -> None:
    until = time.monotonic() + 1
    while True:
        before = right_number(event)
        seen = int(number(page).inner_text() or -1)
        if seen in (before, right_number(event)):
            return
        assert time.monotonic() < until, f"{seen} instead of {before}"


@contextmanager
def paused(stack: Stack) -> Iterator[None]:
    """No coordinator says anything, though every connection stands, as in a tunnel."""
    for coordinator in stack.coordinators:
        coordinator.freeze()
    try:
        yield
    finally:
        for coordinator in stack.coordinators:
            coordinator.thaw()


def test_a_hidden_tab_is_right_when_it_is_looked_at(
    stack: Stack, room: str, tabs: BrowserContext
) -> None:
    page = opened(tabs, stack.page(room))
    other = hide(tabs)
    expect(page.locator("html")).to_have_js_property("ownerDocument.visibilityState", "hidden")
    event = stack.start(room, **{"from": 60})
    other.wait_for_timeout(7000)
    page.bring_to_front()
    assert_right_within_a_second(page, event)
    wait_green(page)


def test_a_hidden_tab_claims_nothing(stack: Stack, room: str, tabs: BrowserContext) -> None:
    page = opened(tabs, stack.page(room))
    other = hide(tabs)
    until = time.monotonic() + 10
    while stack.ask("GET", f"/api/rooms/{room}")[1]["screens"]["in_step"] > 0:
        assert time.monotonic() < until
        other.wait_for_timeout(200)
    page.bring_to_front()
    wait_green(page)


def test_a_frozen_tab_whose_connection_died_is_right_at_once(
    own_stack: Stack, room: str, tabs: BrowserContext
) -> None:
    page = opened(tabs, own_stack.page(room))
    event = own_stack.start(room, **{"from": 60})
    wait_for(page, "59")
    other = hide(tabs)
    devtools = tabs.new_cdp_session(page)
    devtools.send("Page.setWebLifecycleState", {"state": "frozen"})
    for coordinator in own_stack.coordinators:
        coordinator.kill()
        coordinator.start()
    for coordinator in own_stack.coordinators:
        coordinator.wait_ready()
    other.wait_for_timeout(3000)
    devtools.send("Page.setWebLifecycleState", {"state": "active"})
    page.bring_to_front()
    assert_right_within_a_second(page, event)
    wait_green(page)


def test_a_page_taken_back_from_the_cache_goes_on(
    stack: Stack, room: str, tabs: BrowserContext
) -> None:
    page = opened(tabs, stack.page(room))
    page.evaluate("addEventListener('pageshow', (event) => (window.isKept = event.persisted))")
    event = stack.start(room, **{"from": 60})
    wait_for(page, "59")
    page.goto(f"{stack.address}/healthz")
    page.wait_for_timeout(3000)
    page.go_back(wait_until="commit")
    assert_right_within_a_second(page, event)
    assert page.evaluate("window.isKept") is True
    wait_green(page)
    wait_for(page, f"{right_number(event) - 2}")


def test_a_tunnel_is_told_and_left_by_itself(
    own_stack: Stack, room: str, open_page: Opening
) -> None:
    page = open_page(own_stack.page(room))
    wait_green(page)
    event = own_stack.start(room, **{"from": 30})
    wait_for(page, "29")
    with paused(own_stack):
        expect(page.locator("#status-words")).to_have_text(re.compile(r"last heard [345] s ago"))
        assert light(page) == "estimating"
        assert_right_within_a_second(page, event)
    wait_green(page)
    assert_right_within_a_second(page, event)
    seen = [int(text) for text in shown(page)]
    assert seen == sorted(seen, reverse=True)


def test_a_device_that_is_online_again_connects_at_once(
    own_stack: Stack, room: str, open_page: Opening
) -> None:
    page = open_page(own_stack.page(room), "Math.random = () => 0.9999;")
    wait_green(page)
    for coordinator in own_stack.coordinators:
        coordinator.kill()
    is_long = re.compile(r"next try in ([89]|1\d) s")
    expect(page.locator("#status-words")).to_have_text(is_long, timeout=20_000)
    page.context.set_offline(True)
    expect(page.locator("#status-words")).to_contain_text("this device is offline")
    for coordinator in own_stack.coordinators:
        coordinator.start()
        coordinator.wait_ready()
    page.context.set_offline(False)
    expect(page.locator("html")).to_have_attribute("data-light", "green", timeout=4000)


JUMPING = """
let [wall, own] = [0, 0];
const [date, now] = [Date.now, performance.now.bind(performance)];
Date.now = () => date() + wall;
performance.now = () => now() + own;
window.jump = (wallBy, ownBy) => { wall += wallBy; own += ownBy; };
"""


@pytest.mark.parametrize("minutes", [10, -10])
def test_a_clock_that_somebody_sets_changes_nothing(
    stack: Stack, room: str, open_page: Opening, minutes: int
) -> None:
    page = open_page(stack.page(room), JUMPING)
    wait_green(page)
    event = stack.start(room, **{"from": 6})
    wait_for(page, "5")
    page.evaluate("(ms) => window.jump(ms, 0)", minutes * 60_000)
    for _ in range(20):
        assert_right_within_a_second(page, event)
        page.wait_for_timeout(100)
    wait_green(page)
    wait_for(page, "0")
    assert shown(page) == [f"{number}" for number in range(6, -1, -1)]


@pytest.mark.parametrize("minutes", [10, -10])
def test_a_page_whose_own_clock_jumped_is_right_within_a_second_or_two(
    stack: Stack, room: str, open_page: Opening, minutes: int
) -> None:
    # Asleep, most systems stop a page's clock while the wall clock goes on; or the other way round.
    page = open_page(stack.page(room), JUMPING)
    wait_green(page)
    event = stack.start(room, **{"from": 3000})
    wait_for(page, "2999")
    page.evaluate("(ms) => window.jump(0, ms)", minutes * 60_000)
    # Whoever opens the lid looks at the page: it becomes visible.
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    assert_right_within_a_second(page, event)
    wait_green(page)


def test_two_tabs_of_one_room_go_together(stack: Stack, room: str, open_page: Opening) -> None:
    page = open_page(stack.page(room))
    second = page.context.new_page()
    second.goto(stack.page(room))
    for one in (page, second):
        wait_green(one)
    stack.start(room, **{"from": 3})
    for one in (page, second):
        wait_for(one, "0")
        assert shown(one) == ["3", "2", "1", "0"]


def test_a_browser_that_keeps_nothing_for_pages_counts_too(
    stack: Stack, room: str, open_page: Opening
) -> None:
    # As where cookies are blocked: even to look at the storage is an error.
    script = """
    Object.defineProperty(window, "sessionStorage", {
      get() { throw new DOMException("denied", "SecurityError"); },
    });
    """
    page = open_page(stack.page(room), script)
    wait_green(page)
    stack.send(room, "hello")
    expect(page.locator("#messages span")).to_have_text(["hello"])
    page.get_by_role("button", name="Clear").click()
    stack.start(room, **{"from": 2})
    wait_for(page, "0")
    assert shown(page) == ["2", "1", "0"]
