"""At zero: one calm, strong signal, and no sound that nobody asked for."""

from playwright.sync_api import expect

from .conftest import Opening
from .stack import Stack
from .watching import wait_for, wait_green

# Counts the sounds that the page makes.
LISTEN = """
window.sounds = 0;
const start = OscillatorNode.prototype.start;
OscillatorNode.prototype.start = function (at) { window.sounds += 1; return start.call(this, at); };
"""


def test_zero_is_signalled_for_three_seconds_and_once(
    stack: Stack, room: str, open_page: Opening
) -> None:
    page = open_page(stack.page(room))
    wait_green(page)
    stack.start(room, **{"from": 1})
    wait_for(page, "0")
    expect(page.locator("html")).to_have_attribute("data-finale", "")
    frame = "getComputedStyle(document.documentElement, '::after')"
    assert page.evaluate(f"{frame}.animationIterationCount") == "1"
    assert float(page.evaluate(f"parseFloat({frame}.borderTopWidth)")) > 10
    expect(page.locator("html")).not_to_have_attribute("data-finale", "", timeout=4000)


def test_a_page_opened_after_zero_makes_no_fuss(
    stack: Stack, room: str, open_page: Opening
) -> None:
    first = open_page(stack.page(room))
    wait_green(first)
    stack.start(room, **{"from": 1})
    wait_for(first, "0")
    late = open_page(stack.page(room))
    wait_green(late)
    wait_for(late, "0")
    expect(late.locator("html")).not_to_have_attribute("data-finale", "")


def test_there_is_no_sound_unless_asked_for(stack: Stack, room: str, open_page: Opening) -> None:
    silent, loud = (open_page(stack.page(room), LISTEN) for _ in range(2))
    for page in (silent, loud):
        wait_green(page)
    loud.get_by_text("Options").click()
    loud.get_by_label("sound at zero").check()
    stack.start(room, **{"from": 1})
    for page in (silent, loud):
        expect(page.locator("html")).to_have_attribute("data-finale", "")
    assert silent.evaluate("window.sounds") == 0
    assert loud.evaluate("window.sounds") > 0
