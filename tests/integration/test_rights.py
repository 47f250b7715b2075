"""Rights over HTTP: what the token, a link and nothing at all may do, and what a refusal says."""

import re
from collections.abc import Callable

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from frontend.rights import RightName
from support.api_client import Api, calling
from support.rights import GUARDED, ask, bearing, forms, made
from support.served import Serve, metric

SAY = [("messages", "POST", "messages", {"text": "hello"})]
CONTROL = [
    ("start", "POST", "countdown", {"from": 600}),
    ("hold", "POST", "countdown/hold", {}),
    ("recycle", "POST", "countdown/recycle", {"to": 20}),
    ("resume", "POST", "countdown/resume", {}),
    ("adjust", "POST", "countdown/adjust", {"seconds": 60}),
    ("cancel", "DELETE", "countdown", {}),
]


@pytest.fixture
def page_settings() -> dict[str, str]:
    return GUARDED


@pytest.mark.parametrize("right", ["watch", "say", "control"])
async def test_each_right_does_what_it_says_and_no_more(
    api: Api, page: TestServer, right: RightName
) -> None:
    link = made(right)
    for needed, doings in (("say", SAY), ("control", CONTROL)):
        may = right in (needed, "control")
        for form, method, path, body in doings:
            status, answer = await api(method, f"main/{path}", body, **bearing(link))
            assert (status < 400) is may, (form, answer)
            if not may:
                assert status == 403
                assert answer["detail"] == f"This link lets you {right}, not {needed}."
            sent = {name: str(value) for name, value in body.items()} | {"link": link}
            status, html, location = await ask(page, f"/r/main/{form}", sent)
            if may:  # a form for what has just been done is told so, beside its control
                assert (status, location) == (
                    303,
                    f"/r/main?link={link}",
                ) or 'action="/r/main/' in html
            else:
                assert status == 403
                assert f"This link lets you {right}, not {needed}." in html
    _, room = await api("GET", "main")
    assert (room["seq"] > 0, room["state"]["run"] is not None) == (
        right != "watch",
        right == "control",
    )


async def test_without_a_right_nobody_does_anything_and_everybody_watches(
    api: Api, page: TestServer
) -> None:
    for form, method, path, body in SAY + CONTROL:
        assert (await api(method, f"main/{path}", body))[0] == 401
        assert (await ask(page, f"/r/main/{form}", {}))[0] == 401
    status, room = await api("GET", "main")
    assert (status, room["seq"]) == (200, 0)


REFUSALS: list[tuple[str, Callable[[], str], int, str]] = [
    ("missing", lambda: "", 401, "Controlling this room needs the control token, or a link"),
    ("token", lambda: "guess", 401, "That is not the control token."),
    ("expired", lambda: made(seconds=-1), 401, "This link ended on "),
    ("key", lambda: made()[:-4] + "AAAA", 401, "This link was not signed by a key of this"),
    ("malformed", lambda: "a.b.c", 401, "This link can't be read"),
    ("room", lambda: made(room="quiz"), 403, "This link is for another room, quiz."),
    ("right", lambda: made("say"), 403, "This link lets you say, not control."),
]


@pytest.mark.parametrize(("reason", "token", "status", "words"), REFUSALS)
async def test_a_refusal_says_why_and_is_counted(
    api: Api, page: TestServer, reason: str, token: Callable[[], str], status: int, words: str
) -> None:
    counted = f'tminus_rights_refused_total{{reason="{reason}"}}'
    before = await metric(page, counted)
    given = bearing(token()) if token() else {}
    code, problem = await api("POST", "main/countdown", None, **given)
    assert (code, problem["status"]) == (status, status)
    assert problem["detail"].startswith(words)
    assert problem["field"] == ("token" if reason in ("missing", "token") else "link")
    assert await metric(page, counted) == before + 1
    async with (
        aiohttp.ClientSession() as session,
        session.post(page.make_url("/api/rooms/main/countdown"), headers=given) as answer,
    ):
        error = {401: ' error="invalid_token"', 403: ' error="insufficient_scope"'}[status]
        challenge = "Bearer" if reason == "missing" else f"Bearer{error}"
        assert answer.headers["WWW-Authenticate"] == challenge


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", {"link"}),
        ("watch", {"link"}),
        ("say", {"link", "messages"}),
        ("control", {"start", "hold", "recycle", "cancel", "messages"}),
    ],
)
async def test_controls_that_are_not_allowed_are_not_in_the_page(
    page: TestServer, query: RightName, shown: set[str]
) -> None:
    link = made(query) if query else ""
    status, html, _ = await ask(page, f"/r/main?link={link}" if link else "/r/main")
    assert (status, forms(html)) == (200, shown)
    sent = re.findall(r'<input type="hidden" name="link" value="([^"]*)"', html)
    assert sent == [link] * (len(shown) - ("link" in shown))
    for view in ("stage", "overlay"):
        assert "<form" not in (await ask(page, f"/r/main?view={view}&link={link}"))[1]


@pytest.mark.parametrize("token", ["", "none"])
async def test_where_anybody_may_control_a_link_changes_nothing(
    serve_frontend: Serve, token: str
) -> None:
    frontend = await serve_frontend(control_token=token)
    for path in ("/r/main", f"/r/main?link={made('watch', seconds=-1)}"):
        assert forms((await ask(frontend, path))[1]) == {
            "start",
            "hold",
            "recycle",
            "cancel",
            "messages",
        }
    async with calling(frontend) as api:
        for given in ({}, bearing("a.b.c")):
            assert (await api("POST", "main/countdown", None, **given))[0] == 503  # no scheduler
        assert (await api("POST", "main/links", {"right": "say"}))[0] == 404
    assert (await ask(frontend, "/r/main/link", {"token": "none"}))[0] == 404


async def test_a_page_with_a_link_that_is_refused_is_shown_and_says_why(
    page: TestServer,
) -> None:
    for link, words in (
        (made(seconds=-1), "This link ended on"),
        (made(room="quiz"), "This link is for another room, quiz."),
        ("x", "This link can&#39;t be read"),
    ):
        status, html, _ = await ask(page, f"/r/main?link={link}")
        assert (status, forms(html)) == (200, {"link"})
        assert re.search(rf'<details id="sign-in" open>.*role="alert">{words}', html, re.DOTALL)


async def test_of_several_links_the_best_for_the_room_counts(page: TestServer) -> None:
    both = f"link={made('say')}&link={made(room='quiz')}&link={made(seconds=-1)}"
    assert forms((await ask(page, f"/r/main?{both}"))[1]) == {"link", "messages"}
    assert "start" in (await ask(page, f"/r/quiz?{both}"))[1]
    for two in (("control", "say"), ("say", "control")):
        query = "&".join(f"link={made(right)}" for right in two)
        assert "start" in forms((await ask(page, f"/r/main?{query}"))[1])
    ended = f"/r/main?link={made(seconds=-1)}&link={made(room='quiz')}"
    assert "This link ended on" in (await ask(page, ended))[1]


async def test_a_form_leads_back_to_its_page_s_address(page: TestServer) -> None:
    link = made()
    _, _, location = await ask(page, "/r/main/messages", {"text": "a", "link": link})
    assert location == f"/r/main?link={link}"
    _, html, _ = await ask(page, "/r/main/start", {"from": "0", "link": link})
    assert f'url=/r/main?link={link}"' in html
    _, _, location = await ask(page, f"/r/Main?view=stage&link={link}")
    assert location == f"/r/main?view=stage&link={link}"
