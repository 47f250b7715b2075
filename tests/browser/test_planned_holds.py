"""Planned holds and days: what is shown of them, and at the same instant on every screen."""

import re

import pytest
from playwright.sync_api import Page, expect

from frontend.first_paint import DELAY_MS

from .conftest import Opening
from .stack import Stack
from .test_hold import LOOKS, SAME_MS, change, is_shown, near_and_far, terms
from .watching import number, wait_for, wait_green, words

SCREENS = [
    (1280, 800, ""),
    (390, 844, ""),
    (320, 480, ""),
    (1920, 1080, "?view=stage"),
    (1280, 720, "?view=overlay"),
]
TIMED = {"from": 8, "holds": [{"at": 6, "for_ms": 3000}]}
# The corners of each text from the middle of the dial, in parts of the ring's inner radius.
FARTHEST = """() => {
  const ring = document.getElementById("ring").getBoundingClientRect();
  const [x, y] = [(ring.left + ring.right) / 2, (ring.top + ring.bottom) / 2];
  const farthest = (part) => {
    const range = document.createRange();
    range.selectNodeContents(part);
    const {left, right} = range.getBoundingClientRect();
    // Lines are higher than what is written in them.
    const {top, bottom} = part.getBoundingClientRect();
    const slack = part.id === "number" ? (bottom - top) / 4 : (bottom - top) / 5;
    const across = Math.max(x - left, right - x);
    const down = Math.max(y - top, bottom - y) - slack;
    return Math.hypot(across, down) / (ring.width / 2 * .92);
  };
  const parts = [...document.querySelectorAll(".number, .caption, .to-zero, .sign")];
  return {
    farthest: Object.fromEntries(parts.map((part) => [part.className, farthest(part)])),
    scroll: document.documentElement.scrollWidth - innerWidth,
  };
}"""


def turns(page: Page) -> list[tuple[str, float]]:
    """Each status that the page has shown since the run began, with the moment it did."""
    looks = page.evaluate("window.looks")
    seen: list[tuple[str, float]] = []
    for status, _, moment in looks:
        if (seen or status == "running") and (not seen or seen[-1][0] != status):
            seen.append((status, moment))
    return seen


def test_a_near_and_a_far_screen_stand_at_planned_holds_and_go_on_at_the_same_instant(
    stack: Stack, room: str, open_page: Opening
) -> None:
    with near_and_far(stack, room, open_page) as pages:
        holds = [{"at": 4, "for_ms": 2000}, {"at": 2}]
        started = stack.start(room, **{"from": 6, "holds": holds})
        for page in pages:
            expect(page.locator("#caption")).to_have_text("held for 0:01", timeout=15_000)
            assert number(page).inner_text() == "2"
            expect(page.locator("html")).to_have_attribute("data-light", "green")
        seen = [turns(page) for page in pages]
    expected = [("running", 0), ("held", 2000), ("running", 4000), ("held", 6000)]
    assert [status for status, _ in seen[0]] == [status for status, _ in expected]
    for (_, due), (_, near), (_, far_away) in zip(expected, *seen, strict=True):
        assert abs(near - far_away) < SAME_MS
        assert abs(near - started["starts_at"] - due - DELAY_MS) < SAME_MS


def test_a_planned_hold_goes_on_at_the_same_instant_while_every_scheduler_is_dead(
    own_stack: Stack, room: str, open_page: Opening
) -> None:
    pages = [open_page(own_stack.page(room), LOOKS) for _ in range(2)]
    for page in pages:
        wait_green(page)
    started = own_stack.start(room, **TIMED)
    is_shown(pages[0], "held")
    own_stack.scheduler.kill()
    for page in pages:
        # Whoever looks late sees a later one.
        expect(number(page)).to_have_text(re.compile("^[1-5]$"), timeout=15_000)
        expect(page.locator("#status-words")).to_have_text("estimating, a tick is late")
    seen = [turns(page) for page in pages]
    for (_, due), (_, one), (_, other) in zip(
        [("running", 0), ("held", 2000), ("running", 5000)], *seen, strict=True
    ):
        assert abs(one - other) < SAME_MS
        assert abs(one - started["starts_at"] - due - DELAY_MS) < SAME_MS
    own_stack.scheduler.start()
    for page in pages:
        wait_for(page, "0")
        expect(page.locator("html")).to_have_attribute("data-light", "green")
        numbers = [text for text, _ in page.evaluate("window.shown") if text]
        assert numbers == [f"{left}" for left in range(8, -1, -1)]


def test_a_page_does_not_count_past_a_planned_hold_that_nobody_has_told_it_of(
    own_stack: Stack, room: str, open_page: Opening
) -> None:
    page = open_page(own_stack.page(room))
    wait_green(page)
    own_stack.start(room, **{"from": 6, "holds": [{"at": 4}]})
    wait_for(page, "6")
    own_stack.scheduler.kill()
    expect(page.locator("#caption")).to_have_text("held for 0:02", timeout=15_000)
    assert number(page).inner_text() == "4"
    assert words(page) == "estimating, a tick is late"


@pytest.mark.parametrize("view", ["", "?view=stage", "?view=overlay"])
def test_while_holds_are_to_come_the_time_to_zero_stands_below_the_number(
    stack: Stack, room: str, open_page: Opening, view: str
) -> None:
    page = open_page(stack.page(room, view))
    wait_green(page)
    sign, to_zero = page.locator(".sign"), page.locator("#to-zero")
    expect(sign).to_be_hidden()
    expect(to_zero).to_be_hidden()
    stack.start(room, **{"from": 21, "holds": [{"at": 19, "for_ms": 60_000}, {"at": 9}]})
    wait_for(page, "20")
    expect(to_zero).to_have_text("L− 1:20")  # noqa: RUF001
    expect(sign).to_be_visible()
    before = number(page).bounding_box()
    expect(page.locator("#caption")).to_have_text("goes on in 0:58")
    expect(to_zero).to_have_text("L− 1:17")  # noqa: RUF001
    expect(page.get_by_role("timer", name="To zero, with planned holds")).to_be_visible()
    change(stack, room, "resume")
    wait_for(page, "18")
    expect(to_zero).to_be_hidden()
    expect(sign).to_be_hidden()
    assert number(page).bounding_box() == before


@pytest.mark.chromium  # as it is driven here, Firefox runs scripts all the same
def test_the_first_paint_has_the_time_to_zero_in_it(
    stack: Stack, room: str, open_page: Opening
) -> None:
    stack.start(room, **{"from": 20, "holds": [{"at": 20, "for_ms": 3_600_000}]})
    page = open_page(stack.page(room), java_script_enabled=False)
    expect(page.locator("#caption")).to_have_text(re.compile(r"^goes on in 59:5\d$"))
    expect(page.locator("#to-zero")).to_have_text(re.compile(r"^L− 1:00:1\d$"))  # noqa: RUF001
    expect(page.locator(".sign")).to_be_visible()


def test_days_and_all_the_words_of_a_planned_hold_stay_inside_the_ring(
    stack: Stack, room: str, open_page: Opening
) -> None:
    holds = [{"at": 8_639_999, "for_ms": 604_800_000}, {"at": 60, "for_ms": 604_800_000}]
    stack.start(room, **{"from": 8_640_000, "holds": holds})
    for width, height, view in SCREENS:
        page = open_page(stack.page(room, view), viewport={"width": width, "height": height})
        wait_green(page)
        expect(number(page)).to_have_text("99\N{NO-BREAK SPACE}d 23:59:59")
        expect(page.locator("#caption")).to_have_text("goes on in 6 d 23 h")
        expect(page.locator("#to-zero")).to_have_text("L− 113 d 23 h")  # noqa: RUF001
        expect(page).to_have_title(re.compile("99\N{NO-BREAK SPACE}d 23:59:59"))
        seen = page.evaluate(FARTHEST)
        assert seen["scroll"] <= 0
        assert max(seen["farthest"].values()) <= 1, (width, height, view, seen)


def test_a_start_in_99_days_says_the_day_and_how_long_it_is(
    stack: Stack, room: str, open_page: Opening
) -> None:
    page = open_page(stack.page(room), locale="en-GB")
    wait_green(page)
    now_ms = stack.ask("GET", "/api/time")[1]["server_time"]
    stack.start(room, starts_at=round(now_ms) + (99 * 24 + 4) * 3_600_000 + 60_000)
    caption = page.locator("#caption")
    expect(caption).to_have_text(
        re.compile(r"^starts on \d+ \w+ \d{4} at \d\d:\d\d:\d\d, in 99 d 4 h$")
    )
    expect(page.locator("html")).to_have_attribute("data-light", "green")


def test_the_form_plans_holds_and_takes_a_held_run_back(
    stack: Stack, room: str, open_page: Opening
) -> None:
    page = open_page(stack.page(room))
    wait_green(page)
    page.locator("#options summary").click()
    expect(page.locator("#recycle")).to_be_hidden()
    page.get_by_label("From", exact=True).fill("1:30:00")
    page.get_by_label("Hold at").fill("5400 fro 600")
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#start-words")).to_contain_text("holds: “5400 fro 600” should be")
    page.get_by_label("Hold at").fill("5400 for 600, 4")
    page.get_by_role("button", name="Start").click()
    is_shown(page, "held")
    state = terms(stack, room)
    assert state["holds"] == [{"at": 5400, "for_ms": 600_000}, {"at": 4}]
    page.get_by_label("Back to").fill("1:00")
    page.get_by_label("Back to").press("Enter")
    expect(number(page)).to_have_text("60")
    is_shown(page, "held")
    state = terms(stack, room)
    assert (state["remaining"], state["held_until"]) == (60, None)
