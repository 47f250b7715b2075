"""The page of a room: start it, watch it, talk in it."""

import re
import shutil
import subprocess

from playwright.sync_api import expect

from support.skip import skip

from .conftest import Opening
from .stack import Stack
from .watching import DEFAULT_RUN, SOON, shown, wait_for, wait_green, words


def test_the_tab_that_presses_start_and_another_see_all_eleven(
    stack: Stack, room: str, open_page: Opening
) -> None:
    pressing, watching = open_page(stack.page(room)), open_page(stack.page(room))
    wait_green(pressing)
    wait_green(watching)
    pressing.get_by_role("button", name="Start").click()
    for page in (pressing, watching):
        wait_for(page, "0")
        assert shown(page) == DEFAULT_RUN


def test_the_first_paint_has_the_state_in_it(stack: Stack, room: str, open_page: Opening) -> None:
    first = open_page(stack.page(room))
    wait_green(first)
    stack.start(room, **{"from": 500})
    wait_for(first, "499")
    page = open_page(stack.page(room), java_script_enabled=False)
    assert page.locator("#number").inner_text() in ("499", "498", "497")


def test_a_page_opened_in_the_middle_shows_the_rest(
    stack: Stack, room: str, open_page: Opening
) -> None:
    first = open_page(stack.page(room))
    wait_green(first)
    stack.start(room, **{"from": 6})
    wait_for(first, "4")
    late = open_page(stack.page(room))
    wait_for(late, "0")
    assert shown(late) == DEFAULT_RUN[-len(shown(late)) :]
    assert int(shown(late)[0]) in (2, 3, 4)


def test_the_light_says_in_step_and_by_how_much(
    stack: Stack, room: str, open_page: Opening
) -> None:
    page = open_page(stack.page(room))
    wait_green(page)
    assert words(page).startswith("in step, ± ")
    assert words(page).endswith(" ms")


def test_the_viewers_are_counted(stack: Stack, room: str, open_page: Opening) -> None:
    pages = [open_page(stack.page(room)) for _ in range(3)]
    for page in pages:
        expect(page.locator("#viewers")).to_have_text("3")


def test_a_message_of_the_nats_cli_shows_on_every_page(
    stack: Stack, room: str, open_page: Opening
) -> None:
    nats = shutil.which("nats")
    if nats is None:
        skip("no nats CLI")
        return
    pages = [open_page(stack.page(room)) for _ in range(2)]
    for page in pages:
        wait_green(page)
    subject = f"countdown.{room}.message"
    command = [nats, "--server", stack.nats_url, "pub", subject, "hello from the <b>bus</b>"]
    subprocess.run(command, check=True, capture_output=True, timeout=10)
    for page in pages:
        expect(page.locator("#messages li")).to_have_text(
            [re.compile(r"\d.*hello from the <b>bus</b>")]
        )


def test_messages_stand_newest_first_and_are_cleared_for_good(
    stack: Stack, room: str, open_page: Opening
) -> None:
    for text in ("one", "two"):
        stack.send(room, text)
    page = open_page(stack.page(room))
    expect(page.locator("#messages span")).to_have_text(["two", "one"])
    page.get_by_label("Message", exact=True).fill("three")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#messages span")).to_have_text(["three", "two", "one"])
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#messages span")).to_have_count(0)
    page.reload()
    wait_green(page)
    stack.send(room, "four")
    expect(page.locator("#messages span")).to_have_text(["four"])


def test_cancel_asks_once_more(stack: Stack, room: str, open_page: Opening) -> None:
    page = open_page(stack.page(room))
    wait_green(page)
    stack.start(room)
    wait_for(page, "9")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("button", name="Press again to cancel")).to_be_visible()
    expect(page.locator("html")).to_have_attribute("data-status", "running")
    page.wait_for_timeout(600)
    page.get_by_role("button", name="Press again to cancel").click()
    expect(page.locator("#caption")).to_have_text("cancelled")
    assert stack.ask("GET", f"/api/rooms/{room}")[1]["state"]["status"] == "cancelled"


def test_what_is_not_valid_is_said_beside_the_control(
    stack: Stack, room: str, open_page: Opening
) -> None:
    page = open_page(stack.page(room))
    page.get_by_text("Options").click()
    page.get_by_label("From").fill("many")
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#start-words")).to_have_text(
        "from: should be a whole number from 1 to 8,640,000, or in the form a time, "
        "as in 1:30:00 or 99d."
    )


def test_a_page_without_a_scheduler_says_so(
    own_stack: Stack, room: str, open_page: Opening
) -> None:
    own_stack.scheduler.stop()
    page = open_page(own_stack.page(room))
    page.get_by_role("button", name="Start").click()
    words = "No scheduler takes requests at the moment: try again."
    expect(page.locator("#start-words")).to_have_text(words)


def test_a_page_opened_before_any_coordinator_connects_by_itself(
    own_stack: Stack, room: str, open_page: Opening
) -> None:
    for coordinator in own_stack.coordinators:
        coordinator.kill()
    page = open_page(own_stack.page(room), SOON)
    expect(page.locator("html")).to_have_attribute("data-light", "amber")
    expect(page.get_by_role("button", name="now")).to_be_visible()
    expect(page.locator("#status-words")).to_contain_text("next try in")
    own_stack.coordinators[1].start()
    wait_green(page)


def test_a_page_whose_coordinator_is_killed_goes_on_with_the_other(
    own_stack: Stack, room: str, open_page: Opening
) -> None:
    page = open_page(own_stack.page(room))
    wait_green(page)
    own_stack.start(room)
    own_stack.send(room, "once")
    wait_for(page, "7")
    # The page tries the hosts in turn, so it is on the first.
    own_stack.coordinators[0].kill()
    wait_for(page, "0")
    assert shown(page) == DEFAULT_RUN
    wait_green(page)
    expect(page.locator("#messages span")).to_have_text(["once"])
