"""A page that is asked to says when it shows each number, and none else does."""

import json

import pytest

from .conftest import Opening
from .stack import Stack
from .watching import wait_for, wait_green

KEEP = """
window.sent = [];
const send = WebSocket.prototype.send;
WebSocket.prototype.send = function (text) {
  window.sent.push(text);
  return send.call(this, text);
};
true;
"""


@pytest.mark.parametrize(("query", "numbers"), [("?trace", [3, 2, 1, 0]), ("", [])])
def test_only_a_page_with_trace_in_its_address_reports_what_it_shows_and_when(
    stack: Stack, room: str, open_page: Opening, query: str, numbers: list[int]
) -> None:
    page = open_page(stack.page(room, query))
    wait_green(page)
    page.evaluate(KEEP)
    started = stack.start(room, **{"from": 3})
    wait_for(page, "0")
    # The clock's next ping takes the last report.
    told = "window.sent.filter((text) => text.includes('shown')).length"
    page.wait_for_function(f"{told} >= {len(numbers)}")
    page.wait_for_function("window.sent.length > 0")
    pings = [json.loads(text) for text in page.evaluate("window.sent")]
    reports = [ping["shown"] for ping in pings if "shown" in ping]
    assert [report["number"] for report in reports] == numbers
    for report in reports:
        due = started["starts_at"] + (3 - report["number"]) * 1000
        assert 200 <= report["at"] - due < 1500
