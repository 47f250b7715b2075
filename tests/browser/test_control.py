"""Control: the options, the keys, the link and its QR code."""

import re
import time

from playwright.sync_api import expect

from .conftest import Opening
from .stack import Stack
from .watching import number, wait_for, wait_green

# The next date on which no clock shows half past two.
SKIPS_HALF_PAST_TWO = """() => {
  const day = new Date();
  do {
    day.setDate(day.getDate() + 1);
    day.setHours(2, 30, 0, 0);
  } while (day.getHours() === 2);
  return day.toLocaleDateString("sv");
}"""


def test_space_starts_and_escape_twice_cancels(stack: Stack, room: str, open_page: Opening) -> None:
    page = open_page(stack.page(room))
    wait_green(page)
    page.keyboard.press("Space")
    wait_for(page, "9")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Press again to cancel")).to_be_visible()
    page.wait_for_timeout(600)
    page.keyboard.press("Escape")
    expect(page.locator("#caption")).to_have_text("cancelled")


def test_a_double_press_does_not_cancel(stack: Stack, room: str, open_page: Opening) -> None:
    page = open_page(stack.page(room))
    wait_green(page)
    stack.start(room)
    wait_for(page, "10")
    page.get_by_role("button", name="Cancel").dblclick()
    wait_for(page, "8")
    expect(page.get_by_role("button", name="Cancel", exact=True)).to_be_visible()


def test_keys_that_are_typed_control_nothing(stack: Stack, room: str, open_page: Opening) -> None:
    page = open_page(stack.page(room))
    wait_green(page)
    page.get_by_label("Message", exact=True).focus()
    page.keyboard.type("a fine f")
    expect(page.locator("html")).to_have_attribute("data-status", "idle")
    expect(page.locator("html:fullscreen")).to_have_count(0)
    expect(page.get_by_label("Message", exact=True)).to_have_value("a fine f")


def test_an_escape_for_the_browser_does_not_cancel(
    stack: Stack, room: str, open_page: Opening
) -> None:
    page = open_page(stack.page(room))
    wait_green(page)
    stack.start(room)
    wait_for(page, "9")

    def escape(target: str, more: str = "") -> None:
        event = f"new KeyboardEvent('keydown', {{key: 'Escape', bubbles: true, {more}}})"
        page.evaluate(f"document.querySelector('{target}').dispatchEvent({event})")

    escape("[name=text]", "isComposing: true")
    escape("[name=text]", "keyCode: 229")
    escape("[name=at]")
    fullscreen = "{configurable: true, value: document.body}"
    page.evaluate(f"void Object.defineProperty(document, 'fullscreenElement', {fullscreen})")
    escape("body")
    assert page.locator("[data-armed]").count() == 0
    page.evaluate("delete document.fullscreenElement")
    escape("body")
    assert page.locator("[data-armed]").count() == 1


def test_the_screen_can_be_filled_by_a_button(stack: Stack, room: str, open_page: Opening) -> None:
    page = open_page(stack.page(room))
    page.get_by_text("Share").click()
    page.get_by_role("button", name="Full screen").click()
    expect(page.locator("html:fullscreen")).to_have_count(1)


def test_without_a_wake_lock_it_says_that_the_screen_may_sleep(
    stack: Stack, room: str, open_page: Opening
) -> None:
    # As over plain HTTP from another machine.
    insecure = "Object.defineProperty(window, 'isSecureContext', {value: false});"
    page = open_page(stack.page(room), "delete Navigator.prototype.wakeLock;" + insecure)
    page.get_by_text("In step", exact=True).click()
    expect(page.locator("#awake")).to_have_text("not kept awake: browsers do so only over HTTPS")


def test_the_options_are_taken(stack: Stack, room: str, open_page: Opening) -> None:
    page = open_page(stack.page(room))
    wait_green(page)
    page.get_by_text("Options").click()
    page.get_by_label("From").fill("75")
    page.get_by_label("Interval").fill("500")
    page.get_by_label("minutes and seconds").check()
    page.get_by_role("button", name="Start").click()
    expect(number(page)).to_have_text("1:14")
    state = stack.ask("GET", f"/api/rooms/{room}")[1]["state"]
    assert (state["from"], state["interval_ms"]) == (75, 500)


def test_a_start_in_minutes_says_when_it_will_be(
    stack: Stack, room: str, open_page: Opening
) -> None:
    page = open_page(stack.page(room))
    wait_green(page)
    page.get_by_text("Options").click()
    page.get_by_label("In minutes").fill("5")
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#caption")).to_have_text(
        re.compile(r"starts at .*, in (5 min 0|4 min 5\d) s")
    )
    state = stack.ask("GET", f"/api/rooms/{room}")[1]["state"]
    assert abs(state["starts_at"] - (time.time() + 300) * 1000) < 5000


def test_a_date_and_a_time_start_a_run_then(stack: Stack, room: str, open_page: Opening) -> None:
    page = open_page(stack.page(room))
    wait_green(page)
    then = page.evaluate("new Date(Date.now() + 30 * 86_400_000).toISOString().slice(0, 10)")
    page.locator("#options summary").click()
    page.get_by_label("On date").fill(then)
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#start-words")).to_have_text("At time: is needed with a date.")
    page.get_by_label("At time").fill("18:00:30")
    page.get_by_role("button", name="Start").click()
    expect(page.locator("html")).to_have_attribute("data-status", "scheduled")
    expected = page.evaluate(f"new Date('{then}T18:00:30').getTime()")
    state = stack.ask("GET", f"/api/rooms/{room}")[1]["state"]
    assert state["starts_at"] == expected


def test_a_time_that_clocks_skip_starts_nothing(
    stack: Stack, room: str, open_page: Opening
) -> None:
    page = open_page(stack.page(room), timezone_id="Europe/Berlin")
    wait_green(page)
    page.locator("#options summary").click()
    page.get_by_label("On date").fill(page.evaluate(SKIPS_HALF_PAST_TWO))
    page.get_by_label("At time").fill("02:30:00")
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#start-words")).to_have_text(
        "At time: clocks skip it on that date, as summer time begins."
    )
    assert stack.ask("GET", f"/api/rooms/{room}")[1]["state"]["status"] == "idle"


def test_minutes_that_are_none_start_nothing(stack: Stack, room: str, open_page: Opening) -> None:
    page = open_page(stack.page(room))
    wait_green(page)
    page.get_by_text("Options").click()
    for text in ("5 min", "-5", "144001", "101d"):
        page.get_by_label("In minutes").fill(text)
        page.get_by_role("button", name="Start").click()
        expect(page.locator("#start-words")).to_have_text(
            "minutes: should be minutes from now, as in 90 or 1.5, or a time, as in 99d; "
            "100 days at most."
        )
    page.get_by_label("In minutes").fill("1,5")
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#caption")).to_have_text(re.compile(r"in 1 min (30|2\d) s"))


def test_a_start_at_a_time_of_day_goes_by_the_servers_clock(
    stack: Stack, room: str, open_page: Opening
) -> None:
    # A clock that is ten minutes fast must not start anything ten minutes early.
    wrong = "const now = Date.now; Date.now = () => now() + 600_000;"
    page = open_page(stack.page(room), wrong, timezone_id="UTC")
    wait_green(page)
    at = int(time.time() / 60 + 4) * 60
    page.get_by_text("Options").click()
    page.get_by_label("At time").fill(time.strftime("%H:%M:00", time.gmtime(at)))
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    assert stack.ask("GET", f"/api/rooms/{room}")[1]["state"]["starts_at"] == at * 1000


def test_a_start_that_comes_second_is_told_why(
    own_stack: Stack, room: str, open_page: Opening
) -> None:
    page = open_page(own_stack.page(room))
    wait_green(page)
    # The page is cut off, so it does not know of the run, and still offers to start one.
    for coordinator in own_stack.coordinators:
        coordinator.kill()
    own_stack.start(room, **{"from": 100})
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#start-words")).to_have_text(
        "A countdown is already under way in this room."
    )


def test_the_link_is_copied(stack: Stack, room: str, open_page: Opening) -> None:
    page = open_page(
        stack.page(room, "?format=clock"), permissions=["clipboard-read", "clipboard-write"]
    )
    page.get_by_text("Share").click()
    page.get_by_role("button", name="Copy the link").click()
    expect(page.locator("#copy")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == stack.page(room)


def test_the_qr_code_is_there(stack: Stack, room: str, open_page: Opening) -> None:
    page = open_page(stack.page(room))
    page.get_by_text("Share").click()
    code = page.get_by_role("img", name="QR code of this room's link")
    expect(code).to_be_visible()
    expect(code).to_have_js_property("complete", True)
    assert code.evaluate("(image) => image.naturalWidth") > 100


def test_a_room_begins_with_its_address(stack: Stack, room: str, open_page: Opening) -> None:
    page = open_page(stack.page(room))
    page.get_by_text("Share").click()
    page.get_by_label("Another room").fill("Green-Room")
    page.get_by_role("button", name="Go").click()
    expect(page).to_have_url(stack.page("green-room"))
    expect(page.get_by_role("heading", name="green-room")).to_be_visible()


def test_a_name_that_is_none_is_explained(stack: Stack, open_page: Opening) -> None:
    page = open_page(stack.page("not_a_room"))
    expect(page.get_by_role("heading")).to_have_text("Not Found")
    expect(page.locator("main")).to_contain_text("lower-case letters, digits and inner hyphens")


def test_messages_are_bounded_and_in_order(stack: Stack, room: str, open_page: Opening) -> None:
    page = open_page(stack.page(room))
    wait_green(page)
    for count in range(110):
        stack.send(room, f"message {count}")
    expect(page.locator("#messages li").first).to_contain_text("message 109")
    newest_first = [f"message {count}" for count in range(109, 9, -1)]
    assert page.locator("#messages li span").all_inner_texts() == newest_first
