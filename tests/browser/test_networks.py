"""The page wherever it is served: below a path, at an IPv6 address, in another site's frame."""

import re
import socket
from collections.abc import Iterator
from contextlib import closing

import pytest
from playwright.sync_api import Browser, expect

from support.skip import skip

from .conftest import Opening
from .edge import edge
from .stack import Stack, running
from .watching import wait_green

BASE = "/events/tminus"


@pytest.fixture(scope="module")
def page_below_a_path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    settings = {
        "BASE_PATH": BASE,
        "APP_ENV": "production",
        "CONTROL_TOKEN": "none",
        "WS_HOST": "",
    }
    with (
        running(tmp_path_factory.mktemp("below"), **settings) as stack,
        edge(BASE, stack.frontend.port, stack.coordinators[0].port) as port,
    ):
        yield f"http://localhost:{port}{BASE}"


def test_below_a_path_the_page_counts_and_its_forms_work(
    page_below_a_path: str, room: str, open_page: Opening
) -> None:
    page = open_page(f"{page_below_a_path}/r/{room}")
    wait_green(page)
    page.get_by_label("Message", exact=True).fill("hello")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#messages")).to_contain_text("hello")
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#number")).to_have_text(re.compile("^[789]$"))
    page.get_by_text("In step", exact=True).click()
    expect(page.locator("#screens")).to_contain_text("1 of 1")


def test_below_a_path_the_page_works_without_a_script(
    page_below_a_path: str, room: str, open_page: Opening
) -> None:
    page = open_page(f"{page_below_a_path}/r/{room}", java_script_enabled=False)
    page.get_by_role("button", name="Start").click()
    assert page.url == f"{page_below_a_path}/r/{room}"
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#caption")).to_have_text("cancelled")
    page.get_by_text("Share").click()
    page.get_by_label("Another room").fill("Other")
    page.get_by_role("button", name="Go").click()
    assert page.url == f"{page_below_a_path}/r/other"


def test_at_an_ipv6_address_the_page_reaches_its_coordinator(
    stack: Stack, room: str, open_page: Opening
) -> None:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            pass
    except OSError:
        skip("this machine has no IPv6")
    coordinator_port = stack.coordinators[0].port
    with (
        edge("", stack.frontend.port, coordinator_port, host="::1") as socket_port,
        stack.another_frontend(f"[::1]:{socket_port}", WS_PATH="/api/ws/connect") as address,
        edge("", int(address.rpartition(":")[2]), coordinator_port, host="::1") as page_port,
    ):
        wait_green(open_page(f"http://[::1]:{page_port}/r/{room}"))


@pytest.mark.parametrize("is_named", [True, False])
def test_a_site_s_frame_shows_the_page_only_where_the_site_is_named(
    is_named: bool, stack: Stack, room: str, browser: Browser
) -> None:
    # For a browser, 127.0.0.1 is another site than localhost.
    coordinator = stack.coordinators[0]
    site = f"http://127.0.0.1:{coordinator.port}"
    settings = {"ALLOWED_FRAMES": site} if is_named else {}
    with (
        stack.another_frontend(f"localhost:{coordinator.port}", **settings) as address,
        closing(browser.new_page()) as page,
    ):
        page.goto(f"{site}/healthz")
        page.evaluate(
            """src => new Promise((onload) => {
              const frame = Object.assign(document.createElement("iframe"), { src, onload });
              document.body.append(frame);
            })""",
            f"{address}/r/{room}",
        )
        assert page.frame_locator("iframe").locator("#number").count() == is_named
