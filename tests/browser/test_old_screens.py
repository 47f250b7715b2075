"""A hall's television: a browser that can't run the page's modules still counts."""

import re

from playwright.sync_api import Route, expect

from .conftest import Opening
from .stack import Stack
from .watching import number, shown

# As a browser from before there were modules: it neither runs nor knows them.
BEFORE_MODULES = "delete HTMLScriptElement.prototype.noModule;"


def without_modules(route: Route) -> None:
    response = route.fetch()
    route.fulfill(response=response, body=response.text().replace('type="module"', 'type="later"'))


def test_a_browser_without_modules_counts(stack: Stack, room: str, open_page: Opening) -> None:
    page = open_page("about:blank", BEFORE_MODULES)
    page.route(re.compile("/r/"), without_modules)
    page.goto(stack.page(room))
    expect(page.locator("#status-words")).to_contain_text("simple page")
    stack.start(room, **{"from": 4})
    expect(number(page)).to_have_text("0", timeout=15_000)
    assert shown(page) == ["4", "3", "2", "1", "0"]


def test_a_browser_without_modules_says_that_a_run_is_held_or_over_time(
    stack: Stack, room: str, open_page: Opening
) -> None:
    page = open_page("about:blank", BEFORE_MODULES)
    page.route(re.compile("/r/"), without_modules)
    page.goto(stack.page(room))
    address = f"/api/rooms/{room}/countdown"
    stack.ask("POST", address, {"from": 50, "after_zero": "count"})
    expect(page.get_by_role("button", name="Hold")).to_be_visible()
    stack.ask("POST", f"{address}/hold")
    expect(page.locator("#caption")).to_have_text("held")
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
    stack.ask("POST", f"{address}/adjust", {"seconds": -60})
    expect(page.locator("#caption")).to_have_text("over time")
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()


def test_a_browser_without_modules_starts_by_the_form(
    stack: Stack, room: str, open_page: Opening
) -> None:
    page = open_page("about:blank", BEFORE_MODULES)
    page.route(re.compile("/r/[^/]*$"), without_modules)
    page.goto(stack.page(room))
    page.get_by_role("button", name="Start").click()
    expect(number(page)).to_have_text("7")


def test_modules_lost_on_the_way_are_fetched_again(
    stack: Stack, room: str, open_page: Opening
) -> None:
    page = open_page("about:blank")
    page.route(re.compile(r"server-clock\.js"), lambda route: route.abort())
    page.goto(stack.page(room))
    expect(page.locator("#status-words")).to_contain_text("simple page")
    page.unroute_all()
    expect(page.locator("html")).to_have_attribute("data-light", "green", timeout=15_000)
