"""Rights over HTTP: what the token, a link and nothing at all may do, and what a refusal says."""

import re
import time
from collections.abc import AsyncIterator, Callable

import aiohttp
import pytest
from aiohttp.test_utils import TestServer
from nats.aio.client import Client
from yarl import URL

from runtime import links
from runtime.links import Link, RightName
from support.api_client import Api, calling
from support.bus_client import messages
from support.served import Serve, metric

KEYS = f"new:{'n' * 32},old:{'o' * 32}"
TOKEN = "sesame"
SAY = [("messages", "POST", "messages", {"text": "hello"})]
CONTROL = [
    ("start", "POST", "countdown", {"from": 600}),
    ("hold", "POST", "countdown/hold", {}),
    ("resume", "POST", "countdown/resume", {}),
    ("adjust", "POST", "countdown/adjust", {"seconds": 60}),
    ("cancel", "DELETE", "countdown", {}),
]
Asked = tuple[int, str, str]


def made(right: RightName = "control", room: str = "main", seconds: float = 60) -> str:
    return links.parse(KEYS).sign(Link(room, right, int(time.time() + seconds)))


def bearing(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
async def frontend(
    serve_scheduler: Serve, serve_coordinator: Serve, serve_frontend: Serve
) -> TestServer:
    await serve_scheduler()
    await serve_coordinator()
    return await serve_frontend(control_token=TOKEN, link_keys=KEYS)


@pytest.fixture
async def api(frontend: TestServer) -> AsyncIterator[Api]:
    async with calling(frontend) as api:
        yield api


async def ask(server: TestServer, path: str, form: dict[str, str] | None = None) -> Asked:
    """Load a page, or send a form; gives the status, the page and where it leads."""
    method = "GET" if form is None else "POST"
    url = URL(f"{server.make_url('/')}".rstrip("/") + path, encoded=True)
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, url, data=form, allow_redirects=False) as got,
    ):
        return got.status, await got.text(), got.headers.get("Location", "")


def forms(html: str) -> set[str]:
    """The forms in a page that change something."""
    return set(re.findall(r'<form method="post" action="/r/main/(\w+)"', html))


@pytest.mark.parametrize("right", ["watch", "say", "control"])
async def test_each_right_does_what_it_says_and_no_more(
    api: Api, frontend: TestServer, right: RightName
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
            status, html, location = await ask(frontend, f"/r/main/{form}", sent)
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
    api: Api, frontend: TestServer
) -> None:
    for form, method, path, body in SAY + CONTROL:
        assert (await api(method, f"main/{path}", body))[0] == 401
        assert (await ask(frontend, f"/r/main/{form}", {}))[0] == 401
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
    api: Api, frontend: TestServer, reason: str, token: Callable[[], str], status: int, words: str
) -> None:
    counted = f'tminus_rights_refused_total{{reason="{reason}"}}'
    before = await metric(frontend, counted)
    given = bearing(token()) if token() else {}
    code, problem = await api("POST", "main/countdown", None, **given)
    assert (code, problem["status"]) == (status, status)
    assert problem["detail"].startswith(words)
    assert problem["field"] == ("token" if reason in ("missing", "token") else "link")
    assert await metric(frontend, counted) == before + 1
    async with (
        aiohttp.ClientSession() as session,
        session.post(frontend.make_url("/api/rooms/main/countdown"), headers=given) as answer,
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
    frontend: TestServer, query: RightName, shown: set[str]
) -> None:
    link = made(query) if query else ""
    status, html, _ = await ask(frontend, f"/r/main?link={link}" if link else "/r/main")
    assert (status, forms(html)) == (200, shown)
    sent = re.findall(r'<input type="hidden" name="link" value="([^"]*)"', html)
    assert sent == [link] * (len(shown) - ("link" in shown))
    for view in ("stage", "overlay"):
        assert "<form" not in (await ask(frontend, f"/r/main?view={view}&link={link}"))[1]


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
    frontend: TestServer,
) -> None:
    for link, words in (
        (made(seconds=-1), "This link ended on"),
        (made(room="quiz"), "This link is for another room, quiz."),
        ("x", "This link can&#39;t be read"),
    ):
        status, html, _ = await ask(frontend, f"/r/main?link={link}")
        assert (status, forms(html)) == (200, {"link"})
        assert re.search(rf'<details id="sign-in" open>.*role="alert">{words}', html, re.DOTALL)


async def test_of_several_links_the_best_for_the_room_counts(frontend: TestServer) -> None:
    both = f"link={made('say')}&link={made(room='quiz')}&link={made(seconds=-1)}"
    assert forms((await ask(frontend, f"/r/main?{both}"))[1]) == {"link", "messages"}
    assert "start" in (await ask(frontend, f"/r/quiz?{both}"))[1]
    for two in (("control", "say"), ("say", "control")):
        query = "&".join(f"link={made(right)}" for right in two)
        assert "start" in forms((await ask(frontend, f"/r/main?{query}"))[1])
    ended = f"/r/main?link={made(seconds=-1)}&link={made(room='quiz')}"
    assert "This link ended on" in (await ask(frontend, ended))[1]


async def test_who_has_the_token_signs_in_for_twelve_hours(frontend: TestServer) -> None:
    status, _, location = await ask(frontend, "/r/main/link", {"token": TOKEN})
    assert status == 303
    assert location.startswith("/r/main?link=")
    link = links.parse(KEYS).read(URL(location).query["link"], time.time())
    assert (link.room, link.right) == ("main", "control")
    assert 12 * 3600 - 5 < link.exp - time.time() <= 12 * 3600 + 1
    assert "start" in forms((await ask(frontend, location))[1])


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"token": "guess"}, "That is not the control token."),
        ({"token": ""}, "This needs the control token."),
        ({}, "This needs the control token."),
        ({"token": made()}, "That is not the control token."),
    ],
)
async def test_who_has_not_the_token_does_not_sign_in(
    frontend: TestServer, sent: dict[str, str], words: str
) -> None:
    status, html, location = await ask(frontend, "/r/main/link", sent)
    assert (status, location, forms(html)) == (401, "", {"link"})
    assert words in html


async def test_a_form_leads_back_to_its_page_s_address(frontend: TestServer) -> None:
    link = made()
    _, _, location = await ask(frontend, "/r/main/messages", {"text": "a", "link": link})
    assert location == f"/r/main?link={link}"
    _, html, _ = await ask(frontend, "/r/main/start", {"from": "0", "link": link})
    assert f'url=/r/main?link={link}"' in html
    _, _, location = await ask(frontend, f"/r/Main?view=stage&link={link}")
    assert location == f"/r/main?view=stage&link={link}"


async def test_links_are_made_with_the_token_only(api: Api) -> None:
    body = {"right": "watch"}
    for given in ({}, bearing("guess"), bearing(made())):
        status, problem = await api("POST", "main/links", body, **given)
        assert (status, problem["field"]) == (401, "token")
    assert (await api("POST", "main/links", body, **bearing(TOKEN)))[0] == 201


async def test_a_link_that_was_made_works(api: Api, frontend: TestServer, bus: Client) -> None:
    body = {"right": "say", "hours": 2}
    status, answer = await api("POST", "main/links", body, **bearing(TOKEN))
    assert status == 201
    assert answer["link"] == f"{frontend.make_url('/r/main')}?link={answer['token']}"
    assert answer["right"] == "say"
    assert abs(answer["ends_at"] / 1000 - time.time() - 7200) < 5
    sent = {"text": "hello"}
    assert (await api("POST", "main/messages", sent, **bearing(answer["token"])))[0] == 202
    assert await messages(bus) == [("main", "hello")]

    ends_at = int(time.time() * 1000) + 90_500
    body = {"right": "control", "ends_at": ends_at}
    _, answer = await api("POST", "main/links", body, **bearing(TOKEN))
    assert 0 <= answer["ends_at"] - ends_at < 1000
    assert answer["ends_at"] % 1000 == 0


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "right"),
        ({"right": "own"}, "right"),
        ({"right": "say", "hours": 0}, "hours"),
        ({"right": "say", "hours": 8785}, "hours"),
        ({"right": "say", "hours": "2"}, "hours"),
        ({"right": "say", "ends_at": 5}, "ends_at"),
        ({"right": "say", "ends_at": 99_999_999_999_999}, "ends_at"),
        ({"right": "say", "ends_at": 1.5}, "ends_at"),
        ({"right": "say", "hours": 1, "ends_at": 5}, "ends_at"),
    ],
)
async def test_a_link_that_can_not_be_made_names_the_field(
    api: Api, body: dict[str, object], field: str
) -> None:
    status, problem = await api("POST", "main/links", body, **bearing(TOKEN))
    assert (status, problem["field"]) == (422, field)
    assert "`" not in problem["detail"]


async def test_a_key_is_changed_without_cutting_anybody_off_and_then_revoked(
    serve_frontend: Serve,
) -> None:
    old, new = f"old:{'o' * 32}", f"new:{'n' * 32}"

    async def made_by(keys: str) -> str:
        async with calling(await serve_frontend(control_token=TOKEN, link_keys=keys)) as api:
            _, answer = await api("POST", "main/links", {"right": "control"}, **bearing(TOKEN))
            return str(answer["token"])

    async def status_of(link: str, keys: str) -> int:
        async with calling(await serve_frontend(control_token=TOKEN, link_keys=keys)) as api:
            return (await api("POST", "main/countdown", None, **bearing(link)))[0]

    before, after = await made_by(old), await made_by(f"{new},{old}")
    may = 503  # there is no scheduler
    assert await status_of(before, f"{new},{old}") == await status_of(after, f"{new},{old}") == may
    assert (await status_of(before, new), await status_of(after, new)) == (401, may)


async def test_without_keys_another_token_ends_all_links(serve_frontend: Serve) -> None:
    statuses = []
    link = ""
    for token in (TOKEN, TOKEN, "another"):
        async with calling(await serve_frontend(control_token=token)) as api:
            if not link:
                body = {"right": "control"}
                link = (await api("POST", "main/links", body, **bearing(token)))[1]["token"]
            statuses.append((await api("POST", "main/countdown", None, **bearing(link)))[0])
    assert statuses == [503, 503, 401]
