"""Where WebSockets are blocked: the page goes by an event stream, else by polling, and says so."""

import re

from playwright.sync_api import Page, expect

from .conftest import Opening
from .stack import Stack
from .watching import DEFAULT_RUN, SOON, light, shown, wait_for, wait_green, words

# As a proxy does that does not know the protocol: the handshake fails.
NO_WEBSOCKETS = """
(() => {
  const Socket = WebSocket;
  window.isBlocked = true;
  window.WebSocket = function (address) {
    if (!window.isBlocked) return new Socket(address);
    const socket = { readyState: 3, close() {} };
    setTimeout(() => socket.onclose?.({ code: 1006, reason: "" }), 20);
    return socket;
  };
})();
"""


def wait_for_words(page: Page, pattern: str) -> None:
    expect(page.locator("#status-words")).to_have_text(re.compile(pattern), timeout=20_000)


def test_without_websockets_a_page_sees_everything_by_server_sent_events(
    stack: Stack, room: str, open_page: Opening
) -> None:
    page = open_page(stack.page(room), SOON + NO_WEBSOCKETS)
    wait_for_words(page, r"^in step, ± \d+ ms, by SSE$")
    assert light(page) == "green"
    stack.start(room)
    stack.send(room, "once")
    wait_for(page, "0")
    assert shown(page) == DEFAULT_RUN
    expect(page.locator("#messages span")).to_have_text(["once"])


def test_an_event_stream_that_meets_503_is_opened_again_and_misses_nothing(
    own_stack: Stack, room: str, open_page: Opening
) -> None:
    page = open_page(own_stack.page(room), SOON + NO_WEBSOCKETS)
    wait_for_words(page, "by SSE$")
    page.route(re.compile("/sse/connect"), lambda route: route.fulfill(status=503, body="full\n"))
    page.route(re.compile("/api/rooms/"), lambda route: route.abort())
    for coordinator in own_stack.coordinators:
        coordinator.kill()
        coordinator.start()
        coordinator.wait_ready()
    wait_for_words(page, "next try in")
    own_stack.send(room, "meanwhile")
    page.unroute_all()
    wait_for_words(page, "by SSE$")
    expect(page.locator("#messages span")).to_have_text(["meanwhile"])


def test_without_event_streams_it_polls_and_says_what_that_costs(
    stack: Stack, room: str, open_page: Opening
) -> None:
    page = open_page("about:blank", SOON + NO_WEBSOCKETS)
    page.route(re.compile("/sse/connect"), lambda route: route.abort())
    page.goto(stack.page(room))
    wait_for_words(page, r"a second late, ± \d+ ms, by polling, without messages$")
    assert light(page) == "amber"
    stack.start(room)
    wait_for(page, "0", 20)
    seen = shown(page)
    assert seen == DEFAULT_RUN[-len(seen) :]
    assert len(seen) >= 9


def test_a_websocket_takes_over_as_soon_as_it_can(
    stack: Stack, room: str, open_page: Opening
) -> None:
    page = open_page(stack.page(room), SOON + NO_WEBSOCKETS)
    wait_for_words(page, "by SSE$")
    page.evaluate("window.isBlocked = false")
    stack.start(room, **{"from": 12})
    expect(page.locator("#status-words")).to_have_text(
        re.compile(r"^in step, ± \d+ ms$"), timeout=20_000
    )
    wait_for(page, "0", 20)
    assert shown(page) == ["12", "11", *DEFAULT_RUN]
    wait_green(page)
    assert "by" not in words(page)
