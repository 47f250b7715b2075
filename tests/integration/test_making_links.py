"""Links that carry a right: who gets one, by signing in or with the token, and what ends them."""

import time

import pytest
from aiohttp.test_utils import TestServer
from nats.aio.client import Client
from yarl import URL

from frontend import rights
from support.api_client import Api, calling
from support.bus_client import messages
from support.rights import GUARDED, KEYS, TOKEN, ask, bearing, forms, made
from support.served import Serve


@pytest.fixture
def page_settings() -> dict[str, str]:
    return GUARDED


async def test_who_has_the_token_signs_in_for_twelve_hours(page: TestServer) -> None:
    status, _, location = await ask(page, "/r/main/link", {"token": TOKEN})
    assert status == 303
    assert location.startswith("/r/main?link=")
    link = rights.parse(KEYS).read(URL(location).query["link"], time.time())
    assert (link.room, link.right) == ("main", "control")
    assert 12 * 3600 - 5 < link.exp - time.time() <= 12 * 3600 + 1
    assert "start" in forms((await ask(page, location))[1])


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
    page: TestServer, sent: dict[str, str], words: str
) -> None:
    status, html, location = await ask(page, "/r/main/link", sent)
    assert (status, location, forms(html)) == (401, "", {"link"})
    assert words in html


async def test_links_are_made_with_the_token_only(api: Api) -> None:
    body = {"right": "watch"}
    for given in ({}, bearing("guess"), bearing(made())):
        status, problem = await api("POST", "main/links", body, **given)
        assert (status, problem["field"]) == (401, "token")
    assert (await api("POST", "main/links", body, **bearing(TOKEN)))[0] == 201


async def test_a_link_that_was_made_works(api: Api, page: TestServer, bus: Client) -> None:
    body = {"right": "say", "hours": 2}
    status, answer = await api("POST", "main/links", body, **bearing(TOKEN))
    assert status == 201
    assert answer["link"] == f"{page.make_url('/r/main')}?link={answer['token']}"
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
