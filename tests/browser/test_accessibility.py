"""Everybody can use it: contrast, names, focus, zoom, and what is read out."""

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from support.skip import skip

from .conftest import Opening
from .stack import Stack
from .watching import wait_for, wait_green

AXE = Path(__file__).parents[2] / "services/frontend/node_modules/axe-core/axe.min.js"

# Firefox is not told of the scheme (firefox.py), so once is enough there.
SCHEMES = ["light", pytest.param("dark", marks=pytest.mark.chromium)]

# What a screen reader is told, in order.
TOLD = """
window.told = [];
addEventListener("DOMContentLoaded", () => {
  const announcer = document.getElementById("announcer");
  new MutationObserver(() => window.told.push(announcer.textContent))
    .observe(announcer, {childList: true});
});
"""


def needs_axe() -> None:
    if shutil.which("npm") is None:
        pytest.skip("no node, so no axe-core")
    if not AXE.exists():
        skip("no axe-core: make page fetches it")


AXE_RUN = """axe.run().then(({violations}) =>
  violations.flatMap(({id, nodes}) => nodes.map(({html}) => `${id}: ${html}`)))"""


# As soon as axe asks for the role of this section, as the rule aria-allowed-attr does, Firefox 153
# loses the process of the page; there axe looks at the section's parts, and at everything else.
SECTION = "aside > section:first-child"


def found_by_axe(page: Page) -> list[str]:
    page.evaluate(AXE.read_text())
    browser = page.context.browser
    assert browser is not None
    if browser.browser_type.name != "firefox" or page.locator(SECTION).count() == 0:
        return list(page.evaluate(AXE_RUN))
    contexts = (f"{{exclude: '{SECTION}'}}", f"'{SECTION} > *'")
    runs = [AXE_RUN.replace("axe.run()", f"axe.run({context})") for context in contexts]
    return [found for run in runs for found in page.evaluate(run)]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("view", ["", "?view=stage"])
def test_axe_finds_nothing(
    stack: Stack, room: str, open_page: Opening, scheme: str, view: str
) -> None:
    needs_axe()
    stack.send(room, "hello")
    page = open_page(stack.page(room, view), color_scheme=scheme)
    wait_green(page)
    for details in page.locator("summary").all():
        details.click()
    assert found_by_axe(page) == []
    stack.start(room)
    wait_for(page, "9")
    assert found_by_axe(page) == []
    wait_for(page, "2")
    assert found_by_axe(page) == []


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("view", ["", "?view=stage"])
def test_axe_finds_nothing_in_a_phase_a_hold_or_overtime(
    stack: Stack, room: str, open_page: Opening, scheme: str, view: str
) -> None:
    needs_axe()
    page = open_page(stack.page(room, view), color_scheme=scheme)
    wait_green(page)
    terms = {"from": 50, "warning": 49, "danger": 30, "after_zero": "count"}
    stack.ask("POST", f"/api/rooms/{room}/countdown", terms)
    for what, seconds, words in (
        ("adjust", 0, "soon over"),
        ("hold", 0, "held for"),
        ("adjust", -30, "held for"),
        ("resume", 0, "almost over"),
        ("adjust", -60, "over time"),
    ):
        body = {"seconds": seconds} if what == "adjust" else {}
        stack.ask("POST", f"/api/rooms/{room}/countdown/{what}", body)
        expect(page.locator("#caption")).to_contain_text(words)
        assert found_by_axe(page) == []


def test_axe_finds_nothing_where_something_is_wrong(
    own_stack: Stack, room: str, open_page: Opening
) -> None:
    needs_axe()
    own_stack.scheduler.kill()
    page = open_page(own_stack.page(room))
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#start-words")).not_to_be_empty()
    for coordinator in own_stack.coordinators:
        coordinator.kill()
    expect(page.locator("html")).to_have_attribute("data-light", "amber")
    expect(page.get_by_role("button", name="now")).to_be_visible()
    assert found_by_axe(page) == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_axe_finds_nothing_where_the_visitor_may_only_watch(
    token_stack: Stack, room: str, open_page: Opening, scheme: str
) -> None:
    needs_axe()
    page = open_page(token_stack.page(room, "?link=ended"), color_scheme=scheme)
    wait_green(page)
    expect(page.locator("#sign-in .words")).not_to_be_empty()
    page.get_by_text("Options").click()
    assert found_by_axe(page) == []


def test_few_numbers_are_read_out(stack: Stack, room: str, open_page: Opening) -> None:
    page = open_page(stack.page(room), TOLD)
    wait_green(page)
    stack.start(room, interval_ms=300)
    wait_for(page, "0")
    assert page.evaluate("window.told") == ["10", "5", "3", "2", "1", "0"]


@pytest.mark.parametrize("view", ["", "?view=stage"])
def test_a_message_is_read_out_once_and_those_of_before_are_not(
    stack: Stack, room: str, open_page: Opening, view: str
) -> None:
    stack.send(room, "long ago")
    other = open_page(stack.page(room))
    expect(other.locator("#messages span")).to_have_text(["long ago"])
    other.wait_for_timeout(2000)
    page = open_page(stack.page(room, view), TOLD.replace('"announcer"', '"message-announcer"'))
    wait_green(page)
    for _ in range(2):
        stack.send(room, "doors close")
    stack.send(room, "now")
    expect(page.locator("#message-announcer")).to_have_text("now")
    told = [text for text in page.evaluate("window.told") if text]
    assert told == ["doors close", "doors close", "now"]


def test_a_message_is_written_from_its_own_side_and_takes_no_more_than_its_place(
    stack: Stack, room: str, open_page: Opening
) -> None:
    page = open_page(stack.page(room))
    wait_green(page)
    stack.start(room)
    stack.send(room, "שלום, כולם!")
    span = page.locator("#messages span")
    expect(span).to_have_count(1)
    for one in (span, page.locator("#banner")):
        assert one.evaluate("(part) => getComputedStyle(part).direction") == "rtl"
    stack.send(room, "a" + "\n" * 4000 + "z")
    expect(span).to_have_count(2)
    assert span.first.evaluate("(part) => part.closest('li').offsetHeight") < 300
    assert span.first.evaluate("(part) => part.tabIndex") == 0


def test_focus_is_visible(stack: Stack, room: str, open_page: Opening) -> None:
    page = open_page(stack.page(room))
    wait_green(page)
    seen = set()
    for _ in range(6):
        page.keyboard.press("Tab")
        focused = page.locator(":focus")
        seen.add(focused.evaluate("(part) => part.outerHTML"))
        assert focused.evaluate("(part) => getComputedStyle(part).outlineStyle") == "solid"
        assert focused.evaluate("(part) => parseFloat(getComputedStyle(part).outlineWidth)") >= 2
    assert len(seen) == 6


def test_it_can_be_zoomed_to_four_times(stack: Stack, room: str, open_page: Opening) -> None:
    # 1280 by 1024 at 400 % is a page of 320 by 256.
    page = open_page(stack.page(room), viewport={"width": 320, "height": 256})
    wait_green(page)
    for details in page.locator("summary").all():
        details.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    page.get_by_role("button", name="Start").click()
    wait_for(page, "10")
