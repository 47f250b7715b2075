"""The JSON API and the forms, as programs and as browsers without a script use them."""

import json
import re
import socket
import time
import urllib.error
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest
from playwright.sync_api import expect

from .conftest import Opening
from .stack import Stack


def test_a_start_is_answered_with_its_event(stack: Stack, room: str) -> None:
    path = f"/api/rooms/{room}/countdown"
    status, event = stack.ask("POST", path, {"from": 3, "interval_ms": 500})
    assert status == 201
    assert (event["type"], event["room"], event["from"]) == ("started", room, 3)


def test_a_second_start_is_told_of_the_run_under_way(stack: Stack, room: str) -> None:
    event = stack.start(room, **{"from": 100})
    status, problem = stack.ask("POST", f"/api/rooms/{room}/countdown")
    assert status == 409
    assert problem["run"] == problem["event"]["run"] == event["run"]
    assert problem["title"] == "Conflict"


def test_what_is_not_valid_is_named(stack: Stack, room: str) -> None:
    path = f"/api/rooms/{room}/countdown"
    for body, field in [
        ({"from": 0}, "from"),
        ({"from": "ten"}, "from"),
        ({"interval_ms": 1}, "interval_ms"),
        ({"starts_at": 5}, "starts_at"),
    ]:
        status, problem = stack.ask("POST", path, body)
        assert (status, problem["field"]) == (422, field)
    assert stack.ask("POST", path, b"{")[0] == 400
    status, problem = stack.ask("POST", "/api/rooms/..%2Fx/countdown")
    assert (status, problem["field"]) == (422, "room")


def test_nothing_to_cancel_is_404(stack: Stack, room: str) -> None:
    assert stack.ask("DELETE", f"/api/rooms/{room}/countdown")[0] == 404


def test_a_cancel_is_answered_with_its_event(stack: Stack, room: str) -> None:
    stack.start(room, **{"from": 100})
    status, event = stack.ask("DELETE", f"/api/rooms/{room}/countdown")
    assert (status, event["type"]) == (200, "cancelled")


def test_messages_have_limits(stack: Stack, room: str) -> None:
    path = f"/api/rooms/{room}/messages"
    assert stack.ask("POST", path, {"text": "x" * 4000})[0] == 202
    assert stack.ask("POST", path, {"text": "x" * 4096})[0] == 202
    assert stack.ask("POST", path, {"text": "x" * 4097})[0] == 413
    assert stack.ask("POST", path, {"text": "x" * 100_000})[0] == 413
    assert stack.ask("POST", path, {"text": "  "})[0] == 422
    assert stack.ask("POST", path, {"text": 5})[0] == 422
    status, problem = stack.ask("POST", path, {})
    assert (status, problem["field"]) == (422, "text")


def send(stack: Stack, path: str, body: bytes) -> tuple[int, str | None, str]:
    """Status, Retry-After and body of what is answered."""
    request = urllib.request.Request(stack.address + path, data=body)
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, answer.headers["Retry-After"], answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers["Retry-After"], error.read().decode()


def test_who_sends_more_than_is_shown_is_told_when_to_come_back(stack: Stack, room: str) -> None:
    path, message = f"/api/rooms/{room}/messages", json.dumps({"text": "x" * 4000}).encode()
    with ThreadPoolExecutor(8) as senders:
        answers = list(senders.map(lambda _: send(stack, path, message), range(600)))
    refused = [answer for answer in answers if answer[0] == 429]
    assert {status for status, _, _ in answers} == {202, 429}
    assert len(answers) - len(refused) > 200  # a mebibyte at once
    _, retry_after, body = refused[0]
    assert retry_after == "1"
    assert json.loads(body)["title"] == "Too Many Requests"

    form = urllib.parse.urlencode({"text": "x" * 4000}).encode()
    with ThreadPoolExecutor(8) as senders:
        pages = list(senders.map(lambda _: send(stack, f"/r/{room}/messages", form), range(100)))
    status, retry_after, page = next(page for page in pages if page[0] != 200)
    assert (status, retry_after) == (429, "1")
    assert "More messages are sent to this room than can be shown" in page

    assert stack.ask("POST", f"/api/rooms/{room}-2/messages", {"text": "hello"})[0] == 202
    with urllib.request.urlopen(f"{stack.address}/metrics") as metrics:
        [counted] = re.findall(rb'tminus_http_refused_total{status="429"} (\S+)', metrics.read())
    assert float(counted) >= len(refused)


def test_the_description_names_what_is_refused_and_when_to_come_back(stack: Stack) -> None:
    _, description = stack.ask("GET", "/api/openapi.json")
    responses = description["paths"]["/api/rooms/{room}/messages"]["post"]["responses"]
    for status in ("429", "503"):
        assert "application/problem+json" in responses[status]["content"]
        assert responses[status]["headers"]["Retry-After"]["schema"]["type"] == "integer"


def test_pages_of_other_sites_may_not_control(stack: Stack, room: str) -> None:
    path = f"/api/rooms/{room}/countdown"
    assert stack.ask("POST", path, headers={"Origin": "https://evil.example"})[0] == 403
    assert stack.ask("POST", path, headers={"Origin": stack.address})[0] == 201


def test_every_response_is_careful(stack: Stack, room: str) -> None:
    with urllib.request.urlopen(stack.page(room)) as response:
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert "script-src 'self';" in response.headers["Content-Security-Policy"]


def test_without_a_bus_it_takes_less_than_two_seconds_to_say_so(
    own_stack: Stack, room: str
) -> None:
    own_stack.nats.kill()
    for method, path in [
        ("POST", f"/api/rooms/{room}/countdown"),
        ("DELETE", f"/api/rooms/{room}/countdown"),
        ("GET", f"/api/rooms/{room}"),
    ]:
        began = time.monotonic()
        assert own_stack.ask(method, path)[0] == 503
        assert time.monotonic() - began < 2
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(own_stack.page(room))
    assert caught.value.code == 503
    assert caught.value.headers["Retry-After"]
    assert b"no word from the coordinator" in caught.value.read()


def test_without_a_scheduler_it_is_503_at_once(own_stack: Stack, room: str) -> None:
    own_stack.scheduler.stop()
    began = time.monotonic()
    status, problem = own_stack.ask("POST", f"/api/rooms/{room}/countdown")
    words = "No scheduler takes requests at the moment: try again."
    assert (status, problem["detail"]) == (503, words)
    assert time.monotonic() - began < 2


def test_the_control_token_is_asked_for(room: str, token_stack: Stack) -> None:
    path = f"/api/rooms/{room}/countdown"
    ask = token_stack.ask
    assert ask("POST", path)[0] == 401
    assert ask("POST", path, headers={"Authorization": "Bearer guess"})[0] == 401
    assert ask("GET", f"/api/rooms/{room}")[0] == 200
    assert ask("POST", path, headers={"Authorization": "Bearer open sesame"})[0] == 201


def test_forms_work_without_a_script(stack: Stack, room: str, open_page: Opening) -> None:
    page = open_page(stack.page(room), java_script_enabled=False)
    page.get_by_role("button", name="Start").click()
    assert page.url == stack.page(room)
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    # The page's own refresh shows how it goes on.
    expect(page.locator("#number")).to_have_text(re.compile("^[78]$"))
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#caption")).to_have_text("cancelled")
    page.get_by_label("Message", exact=True).fill("hello")
    page.get_by_role("button", name="Send").click()
    assert page.url == stack.page(room)


def test_a_form_that_is_not_valid_comes_back_as_it_was(
    stack: Stack, room: str, open_page: Opening
) -> None:
    page = open_page(stack.page(room), java_script_enabled=False)
    page.get_by_text("Options").click()
    page.get_by_label("From").fill("0")
    with page.expect_response(f"**/r/{room}/start") as response:
        page.get_by_role("button", name="Start").click()
    assert response.value.status == 422
    expect(page.get_by_label("From")).to_have_value("0")
    expect(page.locator("#start-words")).to_contain_text("from: should be")


ILLEGIBLE = [
    ("multipart/form-data", b"a=b"),
    ("multipart/form-data; boundary=x", b"--x\r\nfoo\r\n\r\n"),
    ("application/x-www-form-urlencoded; charset=nope", b"a=b"),
    ("application/x-www-form-urlencoded", b"from=\xff"),
]


@pytest.mark.parametrize(("kind", "body"), ILLEGIBLE)
def test_a_form_that_can_not_be_read_is_400(
    stack: Stack, room: str, kind: str, body: bytes
) -> None:
    request = urllib.request.Request(
        f"{stack.page(room)}/start", data=body, headers={"Content-Type": kind}
    )
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=5)
    assert caught.value.code == 400
    assert b"The body can&#39;t be read" in caught.value.read()
    assert stack.ask("GET", f"/api/rooms/{room}")[1]["state"]["status"] == "idle"


def test_a_body_that_can_not_be_unpacked_is_400(stack: Stack, room: str) -> None:
    packed = {"Content-Encoding": "gzip"}
    path = f"/api/rooms/{room}/messages"
    status, problem = stack.ask("POST", path, b"not gzip at all", headers=packed)
    assert (status, problem["title"]) == (400, "Bad Request")
    assert stack.ask("GET", f"/api/rooms/{room}")[0] == 200  # by then it would be in the log
    assert "Traceback" not in stack.frontend.log()


def test_bytes_that_are_no_text_are_refused_in_headers_too(token_stack: Stack, room: str) -> None:
    port = token_stack.frontend.port
    for head, code in [
        (f"DELETE /api/rooms/{room}/countdown HTTP/1.1\r\nAuthorization: Bearer \xff", 401),
        (f"GET /r/{room}/qr.svg HTTP/1.1\r\nHost: \xff", 400),
        (f"GET /r/{room}/qr.svg HTTP/1.1\r\nHost: {'x' * 5000}", 400),
    ]:
        host = "" if "Host" in head else "\r\nHost: localhost"
        with socket.create_connection(("127.0.0.1", port), 5) as connection:
            connection.sendall(f"{head}{host}\r\nConnection: close\r\n\r\n".encode("latin-1"))
            assert connection.makefile("rb").readline().split()[1] == f"{code}".encode()


def test_the_view_survives_a_redirect(stack: Stack) -> None:
    for address in ("/r/Keynote?view=stage", "/?room=Keynote&view=stage"):
        with urllib.request.urlopen(stack.address + address) as response:
            assert response.url == stack.page("keynote", "?view=stage")


def test_a_refusal_without_a_script_leads_back_to_the_room(
    stack: Stack, room: str, open_page: Opening
) -> None:
    stack.start(room, **{"from": 100})
    page = open_page(stack.page(room), java_script_enabled=False)
    # A page that does not know of the run offers to start one, as in another window a moment ago.
    page.locator("#start button").dispatch_event("click")
    expect(page.locator("#start-words")).to_contain_text("already under way")
    expect(page).to_have_url(stack.page(room), timeout=5000)
    expect(page.locator("#number")).to_have_text(re.compile(r"^9\d$"))
