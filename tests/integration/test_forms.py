"""The page's forms, without a script: each is sent for one run or message, however often."""

import asyncio
import re

import aiohttp
import pytest
from aiohttp.test_utils import TestServer
from nats.aio.client import Client

from support.bus_client import ask, history, messages
from support.nats_server import NatsServer
from support.waiting import until

LONG = {"from": 600}


@pytest.fixture
def nats_server(deployed_nats_server: NatsServer) -> NatsServer:
    """As it is deployed."""
    return deployed_nats_server


def fields(html: str, form: str) -> dict[str, str]:
    """The hidden fields of a form, as a browser sends them."""
    [inside] = re.findall(rf'<form [^>]*id="{form}">(.*?)</form>', html, re.DOTALL)
    found = re.findall(r'<input type="hidden" name="(\w+)"[^>]* value="([^"]*)"', inside)
    return dict(found)


async def test_a_form_that_is_sent_twice_is_one_start_and_one_message(
    page: TestServer, operator: Client
) -> None:
    async with aiohttp.ClientSession() as session:

        async def load() -> str:
            async with session.get(page.make_url("/r/main")) as answer:
                return await answer.text()

        async def submit(form: str, sent: dict[str, str]) -> int:
            url = page.make_url(f"/r/main/{form}")
            async with session.post(url, data=sent, allow_redirects=False) as answer:
                return answer.status

        html = await load()
        start = fields(html, "start") | {"from": "600", "minutes": "5"}
        twice = await asyncio.gather(submit("start", start), submit("start", start))
        assert set(twice) == {303}
        assert await submit("start", start) == 303  # the browser's reload
        assert await submit("start", start | {"from": "599"}) == 422
        message = fields(html, "send") | {"text": "hello"}
        assert await submit("messages", message) == await submit("messages", message) == 303
        assert [e["type"] for e in await history(operator)] == ["started"]
        assert await messages(operator) == [("main", "hello")]

        late = fields(await load(), "cancel")
        assert late["run"] == start["run"]
        assert await submit("cancel", late) == 303
        again = fields(await load(), "start")
        assert again["run"] != start["run"]
        assert await submit("start", again) == 303
        assert await submit("cancel", late) == 409
        kinds = [e["type"] for e in await history(operator)]
        assert kinds[:3] == ["started", "cancelled", "started"]
        assert kinds.count("cancelled") == 1


@pytest.mark.parametrize("end", ["finished", "cancelled"])
async def test_a_form_whose_run_is_over_starts_another_one(
    page: TestServer, bus: Client, operator: Client, end: str
) -> None:
    """The Back button, then Start."""
    async with aiohttp.ClientSession() as session:

        async def submit(form: str, sent: dict[str, str]) -> int:
            url = page.make_url(f"/r/main/{form}")
            async with session.post(url, data=sent, allow_redirects=False) as answer:
                return answer.status

        async def is_over() -> bool:
            return bool((await ask(bus, "coordinator.room"))[1]["state"]["status"] == end)

        short = {"run": "mine", "from": "1", "interval_ms": "100"}
        long = {"run": "mine", "from": "600"}
        assert await submit("start", short if end == "finished" else long) == 303
        if end == "cancelled":
            assert await submit("cancel", {"run": "mine"}) == 303
        await until(is_over)
        # Pressed twice, it starts one all the same.
        assert [await submit("start", long), await submit("start", long)] == [303, 409]
        first, second = [e["run"] for e in await history(operator) if e["type"] == "started"]
        assert first == "mine" != second


async def test_a_form_whose_outcome_is_unknown_keeps_its_id(
    page: TestServer, nats_server: NatsServer
) -> None:
    nats_server.kill()
    async with aiohttp.ClientSession() as session:
        for path, form, name in (
            ("start", "start", "run"),
            ("adjust", "change", "id"),
            ("messages", "send", "id"),
        ):
            url = page.make_url(f"/r/main/{path}")
            sent = {name: "mine", "text": "hello", "seconds": "10"}
            async with session.post(url, data=sent) as answer:
                assert answer.status == 503
                assert fields(await answer.text(), form)[name] == "mine"


async def test_a_run_named_by_a_stranger_is_no_markup(page: TestServer, bus: Client) -> None:
    run = '"><script>x</script>'
    assert (await ask(bus, "scheduler.start", run=run, **LONG))[0] == 200

    async with aiohttp.ClientSession() as session:

        async def is_shown() -> bool:
            async with session.get(page.make_url("/r/main")) as answer:
                html = await answer.text()
            assert "<script>x" not in html
            return "&gt;&lt;script" in html

        await until(is_shown)


@pytest.mark.parametrize(("form", "field"), [("messages", "text"), ("start", "from")])
async def test_a_charset_that_decodes_to_no_unicode_is_400(
    page: TestServer, form: str, field: str
) -> None:
    url, kind = page.make_url(f"/r/main/{form}"), "application/x-www-form-urlencoded"
    headers = {"Content-Type": f"{kind}; charset=utf-7"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=f"{field}=%2B2AA-abc", headers=headers) as answer,
    ):
        assert answer.status == 400
        assert "can&#39;t be read" in await answer.text()
