"""The controls of the board's cards: buttons, keys and forms, each for its room, and by right."""

import re

import pytest
from playwright.sync_api import expect

from .boards import address, card, shows, state
from .conftest import Opening
from .stack import Stack
from .watching import wait_green


def test_the_controls_of_a_card_are_for_its_room(
    stack: Stack, names: list[str], open_page: Opening
) -> None:
    quiz, launch = names
    page = open_page(address(stack, names))
    wait_green(page)
    card(page, quiz).get_by_label("from").fill("500")
    card(page, quiz).get_by_role("button", name="Start").click()
    shows(page, quiz, "499", "running")
    card(page, quiz).get_by_role("button", name="Hold").click()
    expect(card(page, quiz).locator(".says")).to_have_text(re.compile("^held for 0:0"))
    held = state(stack, quiz)["remaining"]
    for name, seconds in (("+1 min", 60), ("−10 s", -10)):  # noqa: RUF001
        card(page, quiz).get_by_role("button", name=name).click()
        held += seconds
        shows(page, quiz, f"{held}", "held")
    page.wait_for_timeout(600)  # a double press is one
    card(page, quiz).get_by_role("button", name="Resume").click()
    shows(page, quiz, f"{held - 1}", "running")
    card(page, quiz).get_by_role("button", name="Cancel").click()
    page.wait_for_timeout(600)  # as above
    card(page, quiz).get_by_role("button", name="Press again to cancel").click()
    expect(card(page, quiz).locator(".says")).to_have_text("cancelled")
    assert state(stack, launch)["status"] == "idle"
    expect(card(page, launch).locator(".says")).to_have_text("ready")


def test_what_is_wrong_is_said_on_its_card(
    stack: Stack, names: list[str], open_page: Opening
) -> None:
    page = open_page(address(stack, names))
    wait_green(page)
    card(page, names[0]).get_by_label("from").fill("soon")
    card(page, names[0]).get_by_role("button", name="Start").click()
    expect(card(page, names[0]).locator(".words")).to_contain_text("from: should be")
    expect(card(page, names[1]).locator(".words")).to_be_empty()


def test_the_keys_act_on_the_card_that_has_the_focus(
    stack: Stack, names: list[str], open_page: Opening
) -> None:
    quiz, launch = names
    page = open_page(address(stack, names))
    wait_green(page)
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == f"room-{quiz}":
            break
    page.keyboard.press("ArrowDown")
    expect(card(page, launch)).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(card(page, quiz)).to_be_focused()
    stack.start(launch, **{"from": 500})
    stack.start(quiz, **{"from": 500})
    shows(page, quiz, "499")
    page.keyboard.press("h")
    expect(card(page, quiz)).to_have_attribute("data-status", "held")
    for key, seconds in (("ArrowRight", 10), ("Shift+ArrowRight", 60), ("ArrowLeft", -10)):
        before = state(stack, quiz)["remaining"]
        with page.expect_response(re.compile("/countdown/adjust")) as response:
            page.keyboard.press(key)
        assert response.value.ok
        assert state(stack, quiz)["remaining"] == before + seconds
    page.wait_for_timeout(600)  # a double press is one
    page.keyboard.press("Space")
    expect(card(page, quiz)).to_have_attribute("data-status", "running")
    for _ in range(2):
        page.keyboard.press("Escape")
        page.wait_for_timeout(600)
    expect(card(page, quiz)).to_have_attribute("data-status", "cancelled")
    page.keyboard.press("Space")
    expect(card(page, quiz)).to_have_attribute("data-status", re.compile("scheduled|running"))
    assert state(stack, launch)["status"] == "running"
    assert state(stack, launch)["change"] is None


@pytest.mark.chromium  # as it is driven here, Firefox runs scripts all the same
def test_without_a_script_the_forms_act_and_come_back_to_the_board(
    stack: Stack, names: list[str], open_page: Opening
) -> None:
    quiz, launch = names
    stack.start(launch, **{"from": 500})
    page = open_page(address(stack, names, "&format=clock"), java_script_enabled=False)
    board = page.url
    shows(page, launch, re.compile(r"^8:1\d$"), "running")
    card(page, quiz).get_by_label("from").fill("500")
    card(page, quiz).get_by_role("button", name="Start").click()
    assert page.url == board
    shows(page, quiz, re.compile(r"^8:\d\d$"))
    for button, says in (("Hold", "held for 0:0"), ("+1 min", "held for 0:0"), ("Resume", "^$")):
        card(page, quiz).get_by_role("button", name=button).click()
        expect(card(page, quiz).locator(".says")).to_have_text(re.compile(says))
    assert state(stack, quiz)["from"] == 560
    card(page, quiz).get_by_role("button", name="Cancel").click()
    assert state(stack, quiz)["status"] == "running"
    card(page, quiz).get_by_role("button", name="Press again to cancel").click()
    expect(card(page, quiz).locator(".says")).to_have_text("cancelled")
    assert page.url == board
    stack.ask("DELETE", f"/api/rooms/{launch}/countdown")
    card(page, launch).get_by_role("button", name="Hold").click()
    expect(card(page, launch).locator(".words")).not_to_be_empty()
    expect(card(page, quiz).locator(".words")).to_be_empty()


@pytest.mark.chromium  # as it is driven here, Firefox runs scripts all the same
def test_without_a_script_it_reloads_once_a_second_unless_it_is_told_to_wait(
    stack: Stack, names: list[str], open_page: Opening
) -> None:
    stack.start(names[0], **{"from": 500})
    page = open_page(address(stack, names), java_script_enabled=False)
    shows(page, names[0], re.compile("49[0-7]"))
    page.get_by_role("link", name="Stop reloading").click()
    expect(page.get_by_role("link", name="Keep it up to date")).to_be_visible()
    digits = card(page, names[0]).locator(".digits").inner_text()
    page.wait_for_timeout(2500)
    shows(page, names[0], digits)


def test_without_a_right_there_are_no_controls_and_the_token_brings_them_for_all_cards(
    token_stack: Stack, names: list[str], open_page: Opening
) -> None:
    page = open_page(address(token_stack, names))
    wait_green(page)
    expect(page.locator(".card form")).to_have_count(0)
    card(page, names[1]).focus()
    page.keyboard.press("Space")
    for given in ("friend", "open sesame"):
        page.get_by_text("Control", exact=True).click()
        page.get_by_label("Control token").fill(given)
        page.get_by_role("button", name="Sign in").click()
        if given == "friend":
            expect(page.get_by_role("alert").first).to_have_text("That is not the control token.")
            page.get_by_text("Control", exact=True).click()
    expect(page.get_by_text("Control", exact=True)).to_have_count(0)
    wait_green(page)
    for name in names:
        card(page, name).get_by_role("button", name="Start").click()
        shows(page, name, "8")


@pytest.mark.chromium  # as it is driven here, Firefox runs scripts all the same
def test_a_card_whose_room_a_link_lets_control_has_its_controls(
    token_stack: Stack, names: list[str], open_page: Opening
) -> None:
    quiz, launch = names
    status, made = token_stack.ask(
        "POST",
        f"/api/rooms/{quiz}/links",
        {"right": "control"},
        {"Authorization": "Bearer open sesame"},
    )
    assert status == 201
    board = address(token_stack, names, f"&link={made['token']}")
    page = open_page(board, java_script_enabled=False)
    expect(card(page, launch).locator("form")).to_have_count(0)
    card(page, quiz).get_by_label("from").fill("500")
    card(page, quiz).get_by_role("button", name="Start").click()
    assert page.url == board
    shows(page, quiz, re.compile(r"^49\d$"))
    card(page, quiz).get_by_role("button", name="Hold").click()
    expect(card(page, quiz)).to_have_attribute("data-status", "held")
