"""Served below a path that a proxy removes: every address in a response is below it."""

import re

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from frontend import qr
from support.served import Serve

BASE = "/events/tminus"
ADDRESS = re.compile(r'(?:href|src|action)="([^"]*)"|;url=([^"]*)"')


@pytest.fixture
async def frontend(serve_frontend: Serve) -> TestServer:
    return await serve_frontend(base_path=BASE, app_env="production")


@pytest.mark.parametrize(
    "path", ["/", "/r/quiz?view=stage", "/rooms?names=quiz,launch&cancel=quiz", "/r/..", "/nothing"]
)
async def test_every_address_in_a_page_is_below_the_path(frontend: TestServer, path: str) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.get(frontend.make_url(path)) as response,
    ):
        page = await response.text()
    found = [one or other for one, other in ADDRESS.findall(page)]
    assert len(found) >= 3
    assert all(address.startswith(f"{BASE}/") for address in found), found
    if response.status != 404:
        assert f'data-base="{BASE}"' in page
        assert f'"path": "{BASE}/api/ws/connect"' in page


async def test_an_address_in_a_page_is_served_without_the_path(frontend: TestServer) -> None:
    async with aiohttp.ClientSession() as session:
        page = ""
        for path in ("/", "/rooms?names=quiz,launch"):
            async with session.get(frontend.make_url(path)) as response:
                page += await response.text()
        for address in re.findall(r'(?:href|src)="([^"]*\.(?:css|js|svg))"', page):
            async with session.get(frontend.make_url(address.removeprefix(BASE))) as response:
                assert response.status == 200, address


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/r/Quiz?view=stage", "/r/quiz?view=stage"),
        ("/?room=Quiz", "/r/quiz"),
        ("/rooms?names=Quiz+launch&still=1", "/rooms?names=quiz,launch&still=1"),
    ],
)
async def test_a_redirect_leads_below_the_path(
    frontend: TestServer, path: str, location: str
) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.get(frontend.make_url(path), allow_redirects=False) as response,
    ):
        assert response.status == 303
        assert response.headers["Location"] == BASE + location


async def test_programs_and_phones_are_led_below_the_path(
    frontend: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    links: list[str] = []
    link = qr.link

    def noted(request: web.Request, room: str) -> str:
        links.append(link(request, room))
        return links[-1]

    monkeypatch.setattr(qr, "link", noted)
    async with aiohttp.ClientSession() as session:
        async with session.get(frontend.make_url("/r/quiz/qr.svg")) as response:
            assert response.status == 200
        async with session.get(frontend.make_url("/api/openapi.json")) as response:
            assert (await response.json())["servers"] == [{"url": BASE}]
    assert links == [f"http://{frontend.host}:{frontend.port}{BASE}/r/quiz"]


async def test_a_page_of_a_named_site_may_show_this_one_in_a_frame(serve_frontend: Serve) -> None:
    async def ancestors(**settings: str) -> str:
        server = await serve_frontend(**settings)
        async with (
            aiohttp.ClientSession() as session,
            session.get(server.make_url("/")) as response,
        ):
            return response.headers["Content-Security-Policy"].partition("frame-ancestors ")[2]

    assert await ancestors() == "'self'"
    sites = "https://site.example, https://*.hall.example:8443"
    expected = "'self' https://site.example https://*.hall.example:8443"
    assert await ancestors(allowed_frames=sites) == expected


@pytest.mark.parametrize("room", ["../../evil", "..", "//evil.example", "a/b"])
async def test_a_name_that_is_no_room_leads_nowhere(frontend: TestServer, room: str) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.get(
            frontend.make_url("/").with_query(room=room), allow_redirects=False
        ) as response,
    ):
        assert response.status == 404
        assert "lower-case letters" in await response.text()
