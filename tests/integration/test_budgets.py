"""What strangers can use up of a frontend: refusals, with their status and when to come back."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

import frontend.app
import frontend.settings
from support.ports import free_port
from support.served import metric

PATH = "/api/rooms/{}/messages"
BURST_SECONDS = 10

Serve = Callable[[web.Application], Awaitable[TestServer]]


class Caller:
    """Requests to a frontend that has no bus: what is not refused is answered 503 for that."""

    def __init__(self, server: TestServer, session: aiohttp.ClientSession) -> None:
        self.server = server
        self._session = session

    async def send(self, room: str = "main", **headers: str) -> aiohttp.ClientResponse:
        return await self.ask("POST", PATH.format(room), json={"text": "a"}, headers=headers)

    async def ask(self, method: str, path: str, **given: Any) -> aiohttp.ClientResponse:
        async with self._session.request(method, self.server.make_url(path), **given) as answer:
            await answer.read()
        return answer


@asynccontextmanager
async def calling(serve: Serve, **settings: Any) -> AsyncIterator[Caller]:
    nowhere = f"nats://127.0.0.1:{free_port()}"
    server = await serve(
        frontend.app.create_app(frontend.settings.Settings(nats_url=nowhere, **settings))
    )
    async with aiohttp.ClientSession() as session:
        yield Caller(server, session)


async def test_commands_over_an_address_s_budget_get_429(aiohttp_server: Serve) -> None:
    async with calling(aiohttp_server, max_commands_per_address=1) as caller:
        before = await metric(
            caller.server, 'tminus_requests_refused_total{reason="commands_address"}'
        )
        for _ in range(BURST_SECONDS):
            assert (await caller.send()).status == 503
        refused = await caller.send()
        assert (refused.status, refused.headers["Retry-After"]) == (429, "1")
        assert refused.content_type == "application/problem+json"
        assert "your address" in (await refused.json(content_type=None))["detail"]
        for form in ("start", "adjust"):
            page = await caller.ask("POST", f"/r/main/{form}", data={"seconds": "10"})
            assert (page.status, page.headers["Retry-After"]) == (429, "1")
            assert page.content_type == "text/html"
            assert "your address" in await page.text()
        change = await caller.ask("POST", "/api/rooms/main/countdown/adjust", json={"seconds": 10})
        assert change.status == 429
        # Reading has a budget of its own, and files and operators have none.
        assert (await caller.ask("GET", "/api/rooms/main")).status == 503
        assert (await caller.ask("GET", "/healthz")).status == 200
        name = 'tminus_requests_refused_total{reason="commands_address"}'
        assert await metric(caller.server, name) == before + 4


async def test_reads_over_an_address_s_budget_get_429(aiohttp_server: Serve) -> None:
    async with calling(aiohttp_server, max_reads_per_address=1) as caller:
        for number in range(BURST_SECONDS):
            path = ("/", "/r/main", "/api/rooms/main", "/nothing")[number % 4]
            assert (await caller.ask("GET", path)).status != 429
        for path in ("/", "/r/main", "/api/rooms/main", "/r/main/qr.svg", "/nothing"):
            refused = await caller.ask("GET", path)
            assert (refused.status, refused.headers["Retry-After"]) == (429, "1")
        assert (await caller.send()).status == 503


async def test_all_together_over_their_budget_get_503(aiohttp_server: Serve) -> None:
    async with calling(aiohttp_server, max_commands=1) as caller:
        for _ in range(BURST_SECONDS):
            await caller.send()
        refused = await caller.send()
        assert (refused.status, refused.headers["Retry-After"]) == (503, "1")
        assert "Too many requests" in (await refused.json(content_type=None))["detail"]


async def test_rooms_over_an_address_s_budget_get_429_for_the_rest_of_the_minute(
    aiohttp_server: Serve,
) -> None:
    async with calling(aiohttp_server, max_rooms_per_address=3) as caller:
        for room in ("one", "two", "three", "one"):
            assert (await caller.send(room)).status == 503
        refused = await caller.send("four")
        assert refused.status == 429
        assert 50 <= int(refused.headers["Retry-After"]) <= 60
        assert (await caller.send("two")).status == 503


@pytest.mark.parametrize(("trusted", "statuses"), [("127.0.0.0/8", {503}), ("", {503, 429})])
async def test_behind_a_trusted_edge_each_client_has_a_budget_of_its_own(
    trusted: str, statuses: set[int], aiohttp_server: Serve
) -> None:
    settings = {"max_commands_per_address": 1, "trusted_proxies": trusted}
    async with calling(aiohttp_server, **settings) as caller:
        answers = [
            await caller.send(**{"X-Forwarded-For": f"198.51.100.{number}"}) for number in range(30)
        ]
        assert {answer.status for answer in answers} == statuses
