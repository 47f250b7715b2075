"""Rights: the controls that a visitor has, signing in, and what becomes of a link."""

import re
import time
import urllib.error
import urllib.request

import pytest
from playwright.sync_api import Page, expect

from frontend import rights
from frontend.rights import Link, RightName

from .conftest import Opening
from .stack import Stack
from .watching import number, wait_for, wait_green

TOKEN = "open sesame"


def made(room: str, right: RightName = "control", seconds: int = 60) -> Link:
    return Link(room, right, int(time.time()) + seconds)


def query(link: Link) -> str:
    return f"?link={rights.derived(TOKEN).sign(link)}"


def buttons(page: Page) -> set[str]:
    found = page.get_by_role("button").all_inner_texts()
    return set(found) & {"Start", "Hold", "Cancel", "+10 s", "Send", "Sign in"}


def sign_in(page: Page, token: str) -> None:
    """By the keyboard."""
    page.get_by_text("Control this room").focus()
    if page.locator("#sign-in[open]").count() == 0:
        page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Control token")).to_be_focused()
    page.keyboard.type(token)
    page.keyboard.press("Enter")


def test_who_has_the_token_signs_in_by_the_keyboard(
    token_stack: Stack, room: str, open_page: Opening
) -> None:
    page = open_page(token_stack.page(room, "?format=clock"))
    wait_green(page)
    assert buttons(page) == set()
    sign_in(page, "guess")
    expect(page.locator("#sign-in .words")).to_have_text("That is not the control token.")
    expect(page.get_by_role("button", name="Start")).to_have_count(0)
    sign_in(page, TOKEN)
    expect(page).to_have_url(re.compile(r"/r/[a-z0-9-]+\?link=[\w.-]+$"))
    wait_green(page)
    assert buttons(page) == {"Start", "Send"}
    expect(page.get_by_text("Control this room")).to_have_count(0)
    page.keyboard.press("Space")
    wait_for(page, "9")
    page.get_by_role("button", name="Hold").click()
    expect(page.locator("#caption")).to_contain_text("held for")


def test_who_has_the_token_signs_in_without_a_script_during_a_run(
    token_stack: Stack, room: str, open_page: Opening
) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    path = f"/api/rooms/{room}/countdown"
    assert token_stack.ask("POST", path, {"from": 600}, headers)[0] == 201
    page = open_page(token_stack.page(room, "?still=1"), java_script_enabled=False)
    assert page.locator("meta[http-equiv=refresh]").count() == 0
    sign_in(page, TOKEN)
    expect(page).to_have_url(re.compile(r"/r/[a-z0-9-]+\?link=[\w.-]+$"))
    before = page.locator("#number").inner_text()
    # The page's own refresh keeps the link.
    expect(page.locator("#number")).not_to_have_text(before)
    expect(page).to_have_url(re.compile(r"\?link="))
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#caption")).to_have_text("cancelled")


def test_a_page_without_a_script_offers_to_stop_reloading(
    token_stack: Stack, room: str, open_page: Opening
) -> None:
    page = open_page(token_stack.page(room), java_script_enabled=False)
    assert page.locator("meta[http-equiv=refresh]").count() == 1
    page.get_by_text("Control this room").click()
    page.get_by_role("link", name="Stop reloading, to type").click()
    expect(page).to_have_url(token_stack.page(room, "?still=1"))
    assert page.locator("meta[http-equiv=refresh]").count() == 0


@pytest.mark.parametrize(
    ("right", "shown"), [("watch", set()), ("say", {"Send"}), ("control", {"Send", "Start"})]
)
def test_a_page_has_the_controls_of_its_link(
    token_stack: Stack, room: str, open_page: Opening, right: RightName, shown: set[str]
) -> None:
    page = open_page(token_stack.page(room, query(made(room, right))))
    wait_green(page)
    assert buttons(page) == shown
    if right != "watch":
        page.get_by_label("Message", exact=True).fill("hello")
        page.get_by_role("button", name="Send").click()
        expect(page.locator("#messages")).to_contain_text("hello")


def test_who_only_watches_has_the_looks_and_the_keys_of_the_browser(
    token_stack: Stack, room: str, open_page: Opening
) -> None:
    page = open_page(token_stack.page(room))
    wait_green(page)
    page.evaluate("addEventListener('keydown', (event) => (window.pressed = event))")
    for key in ("Space", "ArrowLeft", "h", "Escape"):
        page.keyboard.press(key)
        assert page.evaluate("window.pressed.defaultPrevented") is False
    page.get_by_text("Options").click()
    page.get_by_label("minutes and seconds").check()
    headers = {"Authorization": f"Bearer {TOKEN}"}
    path = f"/api/rooms/{room}/countdown"
    assert token_stack.ask("POST", path, {"from": 75}, headers)[0] == 201
    expect(number(page)).to_have_text("1:14")


def test_a_link_that_ends_while_the_page_is_open_says_so_beside_the_control(
    token_stack: Stack, room: str, open_page: Opening
) -> None:
    link = made(room, seconds=4)
    page = open_page(token_stack.page(room, query(link)))
    wait_green(page)
    page.get_by_role("button", name="Start").click()
    wait_for(page, "9")
    page.wait_for_function("end => Date.now() > end", arg=link.exp * 1000)
    page.get_by_role("button", name="Hold").click()
    expect(page.locator("#change-words")).to_contain_text("This link ended on")
    page.reload()
    expect(page.locator("#sign-in .words")).to_contain_text("This link ended on")
    assert buttons(page) == {"Sign in"}


def test_a_link_is_neither_shared_nor_logged(
    token_stack: Stack, room: str, open_page: Opening
) -> None:
    given = query(made(room))
    page = open_page(
        token_stack.page(room, given), permissions=["clipboard-read", "clipboard-write"]
    )
    wait_green(page)
    page.get_by_role("button", name="Start").click()
    wait_for(page, "9")
    page.get_by_text("Share").click()
    page.get_by_role("button", name="Copy the link").click()
    expect(page.locator("#copy")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == token_stack.page(room)
    shared = page.locator("#share [href], #share [src], #share [action]").all()
    assert len(shared) == 4
    for part in shared:
        assert "link=" not in part.evaluate("part => part.href || part.src || part.action")
    with urllib.request.urlopen(token_stack.page(room, given)) as response:
        assert response.headers["Referrer-Policy"] == "same-origin"
    for path in (f"/nothing{given}", f"/r/{room}/start{given}&room=%00"):
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(token_stack.address + path)
    for service in token_stack.services:
        assert given.removeprefix("?link=")[-20:] not in service.log()
