"""Hold, resume and adjust: by buttons, keys and forms, and at the same instant on every screen."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from frontend.first_paint import DELAY_MS

from .conftest import Opening
from .same_instant import FAR
from .slow_way import slow_way
from .stack import Stack
from .test_pressed_twice import losing_the_first_answer
from .watching import number, wait_for, wait_green

# Half of what a frame takes to the far screen.
SAME_MS = 50
# Keeps every look of the page with the moment it had it: its status and its number.
LOOKS = """
window.looks = [];
addEventListener("DOMContentLoaded", () => {
  const [root, number] = [document.documentElement, document.getElementById("number")];
  const look = () => [root.dataset.status, Number(number.textContent), Date.now()];
  const record = () => window.looks.push(look());
  const all = {attributes: true, attributeFilter: ["data-status"], childList: true};
  for (const part of [root, number]) new MutationObserver(record).observe(part, all);
});
"""
TOUCH_PX = 44


def change(stack: Stack, room: str, what: str, **body: object) -> dict[str, Any]:
    status, event = stack.ask("POST", f"/api/rooms/{room}/countdown/{what}", body)
    assert status == 200, event
    return dict(event)


def terms(stack: Stack, room: str) -> dict[str, Any]:
    return dict(stack.ask("GET", f"/api/rooms/{room}")[1]["state"])


def is_shown(page: Page, status: str) -> None:
    expect(page.locator("html")).to_have_attribute("data-status", status)


def counting(page: Page, stack: Stack, room: str, first: int = 500) -> None:
    """Let a run be under way on the page."""
    wait_green(page)
    stack.start(room, **{"from": first})
    wait_for(page, f"{first - 1}")


@contextmanager
def near_and_far(stack: Stack, room: str, open_page: Opening) -> Iterator[list[Page]]:
    """Two green screens of the room, one of them over a slow network."""
    with (
        slow_way(stack.coordinators[0].port, FAR) as port,
        stack.another_frontend(f"localhost:{port}") as far,
    ):
        pages = [open_page(stack.page(room), LOOKS), open_page(f"{far}/r/{room}", LOOKS)]
        for page in pages:
            wait_green(page)
        yield pages


def test_a_near_and_a_far_screen_hold_resume_and_jump_at_the_same_instant(
    stack: Stack, room: str, open_page: Opening
) -> None:
    with near_and_far(stack, room, open_page) as pages:
        stack.start(room, **{"from": 100})
        for page in pages:
            wait_for(page, "98")
        held = change(stack, room, "hold")
        for page in pages:
            expect(page.locator("#caption")).to_have_text("held for 0:02")
            assert number(page).inner_text() == f"{held['remaining']}"
            expect(page.locator("html")).to_have_attribute("data-light", "green")
        resumed = change(stack, room, "resume")
        for page in pages:
            is_shown(page, "running")
        adjusted = change(stack, room, "adjust", seconds=60)
        for page in pages:
            expect(number(page)).to_have_text(re.compile(r"^15\d$"))
        looks = [page.evaluate("window.looks") for page in pages]
    decided = [held["held_at"], resumed["at"], adjusted["at"]]
    for moments in zip(decided, *map(turns, looks), strict=True):
        at, near, far_away = moments
        assert abs(near - far_away) < SAME_MS, moments
        assert abs(near - at - DELAY_MS) < SAME_MS, moments


def turns(looks: list[tuple[str, int, float]]) -> list[float]:
    """When a page first showed a hold, its end, and a number that is higher than before."""
    held = next(index for index, (status, _, _) in enumerate(looks) if status == "held")
    resumed = next(index for index in range(held, len(looks)) if looks[index][0] != "held")
    higher = next(index for index in range(resumed, len(looks)) if looks[index][1] > 100)
    return [looks[index][2] for index in (held, resumed, higher)]


def test_the_keys_hold_resume_and_adjust(stack: Stack, room: str, open_page: Opening) -> None:
    page = open_page(stack.page(room))
    wait_green(page)
    for key in ("h", "ArrowRight"):
        page.keyboard.press(key)
    counting(page, stack, room)
    for key, less in (("h", 0), ("ArrowRight", 10), ("Shift+ArrowRight", 60), ("ArrowLeft", -10)):
        before = terms(stack, room)["remaining"]
        with page.expect_response(re.compile("/countdown/")) as response:
            page.keyboard.press(key)
        assert response.value.ok
        assert terms(stack, room)["remaining"] == before + less
    is_shown(page, "held")
    page.get_by_label("Message", exact=True).focus()
    page.keyboard.type("h ")
    page.keyboard.press("ArrowLeft")
    assert terms(stack, room)["status"] == "held"
    page.get_by_label("Message", exact=True).blur()
    page.wait_for_timeout(600)  # a double press is one
    page.keyboard.press("Space")
    is_shown(page, "running")
    page.wait_for_timeout(600)
    page.keyboard.press("H")
    is_shown(page, "held")
    page.wait_for_timeout(600)
    page.keyboard.press("H")
    is_shown(page, "running")


def test_the_buttons_hold_resume_and_adjust_and_each_press_counts(
    stack: Stack, room: str, open_page: Opening
) -> None:
    page = open_page(stack.page(room))
    counting(page, stack, room)
    expect(page.get_by_role("button", name="Start")).to_be_hidden()
    expect(page.get_by_role("button", name="Resume")).to_be_hidden()
    page.get_by_role("button", name="Hold").dblclick()
    is_shown(page, "held")
    before = terms(stack, room)["remaining"]
    page.get_by_role("button", name="+10 s").dblclick()
    page.get_by_role("button", name="+1 min").click()
    expect(number(page)).to_have_text(f"{before + 80}")
    page.get_by_role("button", name="−10 s").click()  # noqa: RUF001
    page.get_by_role("button", name="−1 min").click()  # noqa: RUF001
    expect(number(page)).to_have_text(f"{before + 10}")
    is_shown(page, "held")
    for button in page.locator("#change button:visible").all():
        box = button.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= TOUCH_PX
    page.get_by_role("button", name="Resume").click()
    is_shown(page, "running")


def test_a_held_run_keeps_its_controls_and_can_be_cancelled(
    stack: Stack, room: str, open_page: Opening
) -> None:
    page = open_page(stack.page(room))
    counting(page, stack, room)
    expect(page.locator("html")).to_have_attribute("data-resting", "")
    change(stack, room, "hold")
    expect(page.locator("#caption")).to_have_text("held for 0:04")
    expect(page.locator("#panel")).to_have_css("opacity", "1")
    page.get_by_role("button", name="Cancel").click()
    page.wait_for_timeout(600)  # a double click is one press
    page.get_by_role("button", name="Press again to cancel").click()
    expect(page.locator("#caption")).to_have_text("cancelled")


@pytest.mark.chromium  # as it is driven here, Firefox loses no answer
def test_a_change_without_an_answer_that_is_pressed_again_is_the_same_one(
    stack: Stack, room: str, open_page: Opening
) -> None:
    page = open_page(stack.page(room))
    counting(page, stack, room)
    sent = losing_the_first_answer(page, f"/api/rooms/{room}/countdown/adjust")
    page.get_by_role("button", name="+1 min").click()
    expect(page.locator("#change-words")).to_have_text("The server can't be reached.")
    with page.expect_response("**/countdown/adjust"):
        page.get_by_role("button", name="+1 min").click()
    expect(page.locator("#change-words")).to_have_text("")
    assert sent[0] == sent[1]
    assert terms(stack, room)["from"] == 560


@pytest.mark.chromium  # as it is driven here, Firefox runs scripts all the same
def test_without_a_script_the_forms_hold_resume_adjust_and_cancel(
    stack: Stack, room: str, open_page: Opening
) -> None:
    stack.start(room, **{"from": 500})
    page = open_page(stack.page(room), java_script_enabled=False)
    page.get_by_role("button", name="Hold").click()
    expect(page.locator("#caption")).to_have_text(re.compile("^held for 0:0"))
    held = int(number(page).inner_text())
    page.get_by_role("button", name="+1 min").click()
    expect(number(page)).to_have_text(f"{held + 60}")
    page.get_by_role("button", name="Resume").click()
    is_shown(page, "running")
    stack.ask("DELETE", f"/api/rooms/{room}/countdown")
    page.get_by_role("button", name="−10 s").click()  # noqa: RUF001
    expect(page.locator("#change-words")).not_to_be_empty()


@pytest.mark.chromium  # as above
def test_without_a_script_a_run_counts_on_after_zero_until_it_is_cancelled(
    stack: Stack, room: str, open_page: Opening
) -> None:
    page = open_page(stack.page(room), java_script_enabled=False)
    page.locator("#options summary").click()
    page.get_by_label("From").fill("1")
    page.get_by_label("count on after zero").check()
    page.get_by_role("button", name="Start").click()
    expect(number(page)).to_have_text(re.compile(r"^\+\d"))
    expect(page.get_by_role("button", name="Start")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#caption")).to_have_text("ended")


def test_after_zero_it_counts_on_in_step_and_is_cancelled(
    stack: Stack, room: str, open_page: Opening
) -> None:
    page = open_page(stack.page(room))
    wait_green(page)
    page.get_by_text("Options").click()
    page.get_by_label("From").fill("2")
    page.get_by_label("Warning at").fill("2")
    page.get_by_label("Danger at").fill("1")
    page.get_by_label("count on after zero").check()
    page.get_by_role("button", name="Start").click()
    for text, phase in (("2", "warning"), ("1", "danger"), ("0", "danger")):
        wait_for(page, text)
        expect(page.locator("html")).to_have_attribute("data-phase", phase)
    expect(page.locator("html")).to_have_attribute("data-finale", "")
    wait_for(page, "+2")
    expect(page.locator("html")).to_have_attribute("data-finale", "")
    expect(page.locator("html")).to_have_attribute("data-light", "green")
    expect(page.locator("#caption")).to_have_text("over time")
    expect(page.get_by_role("button", name="Start")).to_be_visible()
    expect(page.get_by_role("button", name="Hold")).to_be_hidden()
    page.keyboard.press("Escape")
    page.wait_for_timeout(600)  # a double press is one
    page.keyboard.press("Escape")
    expect(page.locator("#caption")).to_have_text("ended")


def test_an_adjustment_to_zero_has_its_finale(stack: Stack, room: str, open_page: Opening) -> None:
    page = open_page(stack.page(room))
    counting(page, stack, room)
    change(stack, room, "adjust", seconds=-3600)
    expect(page.locator("html")).to_have_attribute("data-finale", "")
    assert number(page).inner_text() == "0"


@pytest.mark.parametrize("view", ["", "?view=stage", "?view=overlay"])
def test_a_phase_has_a_word_a_weight_and_a_colour(
    stack: Stack, room: str, open_page: Opening, view: str
) -> None:
    page = open_page(stack.page(room, view))
    wait_green(page)
    stack.start(room, **{"from": 6, "warning": 4, "danger": 2})
    look = """() => [document.getElementById("caption").textContent,
        getComputedStyle(document.querySelector(".arc path")).strokeWidth,
        getComputedStyle(document.getElementById("number")).color]"""
    seen = []
    for text in ("5", "4", "2"):
        wait_for(page, text)
        seen.append(page.evaluate(look))
    words, weights, colours = zip(*seen, strict=True)
    assert words == ("", "soon over", "almost over")
    assert weights == ("6px", "8px", "10px")
    assert len(set(colours)) == 3
