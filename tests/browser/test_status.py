"""The light: what is sure, what is an estimate, and what is refused."""

import re

from playwright.sync_api import WebSocketRoute, expect

from .conftest import Opening
from .stack import Stack
from .watching import SOON, light, number, shown, wait_for, wait_green, words


def test_a_lost_connection_is_an_estimate_and_the_number_goes_on(
    own_stack: Stack, room: str, open_page: Opening
) -> None:
    page = open_page(own_stack.page(room), SOON)
    wait_green(page)
    own_stack.start(room)
    wait_for(page, "8")
    for coordinator in own_stack.coordinators:
        coordinator.kill()
    expect(page.locator("#status-words")).to_have_text(
        re.compile(r"^estimating, last heard \d+ s ago, next try in \d+ s$")
    )
    wait_for(page, "3")
    assert light(page) == "estimating"
    wait_for(page, "0")
    assert shown(page) == [f"{number}" for number in range(10, -1, -1)]
    own_stack.coordinators[0].start()
    wait_green(page)


def test_a_late_tick_does_not_freeze_the_number(
    own_stack: Stack, room: str, open_page: Opening
) -> None:
    page = open_page(own_stack.page(room))
    wait_green(page)
    own_stack.start(room)
    wait_for(page, "8")
    own_stack.scheduler.kill()
    expect(page.locator("#status-words")).to_have_text("estimating, a tick is late")
    wait_for(page, "4")
    own_stack.scheduler.start()
    wait_green(page)
    wait_for(page, "0")
    assert shown(page) == [f"{number}" for number in range(10, -1, -1)]


def test_many_late_ticks_one_after_another_cost_no_connection(
    stack: Stack, room: str, open_page: Opening
) -> None:
    """At a late tick a page asks for the time, and who asks too often is refused for good."""
    sockets: list[WebSocketRoute] = []
    jammed: list[str | bytes] = []
    is_jammed = False

    def pass_on(socket: WebSocketRoute) -> None:
        sockets.append(socket)

        def on_frame(frame: str | bytes) -> None:
            if is_jammed:
                jammed.append(frame)
            else:
                socket.send(frame)

        socket.connect_to_server().on_message(on_frame)

    page = open_page("about:blank")
    page.route_web_socket(re.compile("/ws/connect"), pass_on)
    page.goto(stack.page(room))
    wait_green(page)
    stack.start(room, **{"from": 100, "interval_ms": 100})
    expect(number(page)).to_have_text(re.compile(r"^[89]\d$"))
    is_jammed = True
    expect(number(page)).to_have_text(re.compile(r"^[45]\d$"))
    assert len(jammed) > 25
    while jammed:
        sockets[0].send(jammed.pop(0))
        page.wait_for_timeout(10)  # each arrives for itself, as from a network
    is_jammed = False
    wait_for(page, "0")
    wait_green(page)
    assert len(sockets) == 1


def test_a_refusal_is_red_and_says_why(stack: Stack, room: str, open_page: Opening) -> None:
    def refuse(socket: WebSocketRoute) -> None:
        socket.close(code=1008, reason="this origin is not allowed")

    page = open_page("about:blank")
    page.route_web_socket(re.compile("/ws/connect"), refuse)
    page.goto(stack.page(room))
    expect(page.locator("html")).to_have_attribute("data-light", "red")
    assert "does not let this page into this room: this origin is not allowed" in words(page)
    expect(page.get_by_role("button", name="now")).to_be_visible()


def test_a_coordinator_that_is_there_but_takes_nobody_is_red(
    own_stack: Stack, room: str, open_page: Opening
) -> None:
    # The frontend answers HTTP at this address, as a coordinator does that refuses a handshake.
    with own_stack.another_frontend(f"localhost:{own_stack.frontend.port}") as address:
        page = open_page("about:blank")
        page.route(re.compile("/api/rooms/"), lambda route: route.abort())
        page.goto(f"{address}/r/{room}")
        expect(page.locator("html")).to_have_attribute("data-light", "red")
        assert "does not take this page" in words(page)


def test_now_tries_at_once(own_stack: Stack, room: str, open_page: Opening) -> None:
    for coordinator in own_stack.coordinators:
        coordinator.kill()
    # A wait that is as long as it may be, so that only the button can end it.
    page = open_page(own_stack.page(room), "Math.random = () => 0.9999;")
    is_long = re.compile(r"next try in ([89]|1\d) s")
    expect(page.locator("#status-words")).to_have_text(is_long, timeout=20_000)
    for coordinator in own_stack.coordinators:
        coordinator.start()
        coordinator.wait_ready()
    page.get_by_role("button", name="now").click()
    expect(page.locator("html")).to_have_attribute("data-light", "green", timeout=5000)


def test_the_light_has_a_shape_of_its_own_for_each_state(
    stack: Stack, room: str, open_page: Opening
) -> None:
    page = open_page(stack.page(room))
    wait_green(page)
    shapes = page.evaluate(
        """() => ["green", "amber", "estimating", "red"].map((light) => {
            const box = document.getElementById("status").cloneNode(true);
            box.dataset.light = light;
            document.body.append(box);
            const {borderStyle, borderRadius, backgroundImage, backgroundColor} =
                getComputedStyle(box.querySelector("i"));
            box.remove();
            const isFilled = backgroundColor !== "rgba(0, 0, 0, 0)";
            return [borderStyle, borderRadius, backgroundImage !== "none", isFilled].join();
        })"""
    )
    assert len(set(shapes)) == 4


def test_screens_report_and_the_page_says_how_many_are_in_step(
    stack: Stack, room: str, open_page: Opening
) -> None:
    pages = [open_page(stack.page(room)) for _ in range(3)]
    for page in pages:
        wait_green(page)
    stack.start(room, **{"from": 100})
    stack.send(room, "hello")
    pages[0].get_by_text("In step", exact=True).click()
    expect(pages[0].locator("#screens")).to_have_text(
        re.compile(r"^3 of 3 screens in step, worst ± \d+ ms$")
    )


def test_a_page_that_gets_no_connection_counts_by_what_it_was_told(
    stack: Stack, room: str, open_page: Opening
) -> None:
    page = open_page("about:blank")
    page.route_web_socket(re.compile("/ws/connect"), lambda socket: socket.close(code=4000))
    page.route(re.compile("/sse/connect|/api/rooms/"), lambda route: route.abort())
    stack.start(room, **{"from": 8})
    page.goto(stack.page(room))
    wait_for(page, "4")
    # The coordinator is there and takes others, so this is a refusal; but the number goes on.
    assert light(page) == "red"
    wait_for(page, "0")
    seen = [int(text) for text in shown(page)]
    assert seen == list(range(seen[0], -1, -1))
