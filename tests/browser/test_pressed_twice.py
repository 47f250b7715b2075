"""Buttons pressed twice, or too late: one start, one message, and no other run cancelled."""

import json
from typing import Any

from playwright.sync_api import Page, Route, expect

from .conftest import Opening
from .stack import Stack
from .watching import wait_for, wait_green

SUBMIT = "(id) => document.getElementById(id).requestSubmit()"


def losing_the_first_answer(page: Page, path: str) -> list[dict[str, Any]]:
    """What the page sends to `path`; of the first request it never gets the answer."""
    sent: list[dict[str, Any]] = []

    def pass_on(route: Route) -> None:
        sent.append(json.loads(route.request.post_data or "{}"))
        answer = route.fetch()
        if len(sent) == 1:
            route.abort()
        else:
            route.fulfill(response=answer)

    page.route(f"**{path}", pass_on)
    return sent


def test_a_start_without_an_answer_that_is_pressed_again_is_the_same_one(
    stack: Stack, room: str, open_page: Opening
) -> None:
    page = open_page(stack.page(room))
    wait_green(page)
    page.locator("#options summary").click()
    page.get_by_label("In minutes").fill("5")
    sent = losing_the_first_answer(page, f"/api/rooms/{room}/countdown")
    page.evaluate(SUBMIT, "start")
    expect(page.locator("#start-words")).to_have_text("The server can't be reached.")
    with page.expect_response(f"**/api/rooms/{room}/countdown") as response:
        page.evaluate(SUBMIT, "start")
    assert response.value.status == 201
    expect(page.locator("#start-words")).to_have_text("")
    assert sent[0] == sent[1]


def test_a_message_without_an_answer_that_is_sent_again_is_shown_once(
    stack: Stack, room: str, open_page: Opening
) -> None:
    page = open_page(stack.page(room))
    wait_green(page)
    page.get_by_label("Message", exact=True).fill("hello")
    sent = losing_the_first_answer(page, f"/api/rooms/{room}/messages")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#message-words")).to_have_text("The server can't be reached.")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_label("Message", exact=True)).to_have_value("")
    assert sent[0] == sent[1]
    stack.send(room, "the last one")
    expect(page.locator("#messages li").first).to_contain_text("the last one")
    expect(page.locator("#messages li")).to_have_count(2)


def test_a_start_that_is_pressed_twice_is_one_start(
    stack: Stack, room: str, open_page: Opening
) -> None:
    page = open_page(stack.page(room))
    wait_green(page)
    page.evaluate(f"(id) => {{ ({SUBMIT})(id); ({SUBMIT})(id); }}", "start")
    wait_for(page, "9")
    expect(page.locator("#start-words")).to_have_text("")


def test_a_cancel_that_comes_too_late_does_not_cancel_the_next_run(
    stack: Stack, room: str, open_page: Opening
) -> None:
    page = open_page(stack.page(room))
    wait_green(page)
    stack.start(room, **{"from": 100})
    wait_for(page, "100")
    page.get_by_role("button", name="Cancel").click()
    stack.ask("DELETE", f"/api/rooms/{room}/countdown")
    stack.start(room, **{"from": 50})
    wait_for(page, "50")
    page.wait_for_timeout(600)  # a double click is one press
    page.get_by_role("button", name="Press again to cancel").click()
    wait_for(page, "48")
    page.get_by_role("button", name="Press again to cancel").click()
    expect(page.locator("#caption")).to_have_text("cancelled")
