"""Asked again, the same answer: a start, cancel or message that is repeated is done once."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import nats
import pytest
from aiohttp.test_utils import TestServer
from nats.aio.client import Client
from nats.aio.msg import Msg

from support.api_client import Api, Reply
from support.bus_client import ask, history
from support.nats_server import CONFIG, PASSWORDS, NatsServer
from support.served import Serve
from support.waiting import until

ROOMS = [f"room-{n}" for n in range(20)]
STANDSTILL_SECONDS = 1.2
FIRST_ATTEMPT_SECONDS = 0.9
LONG = {"from": 600}


@pytest.fixture
def nats_server(tmp_path: Path) -> Iterator[NatsServer]:
    """A nats-server as it is deployed; passwords are the names."""
    server = NatsServer(tmp_path, config=CONFIG, env=PASSWORDS)
    server.start()
    yield server
    server.kill()


@asynccontextmanager
async def operator(nats_server: NatsServer) -> AsyncIterator[Client]:
    client = await nats.connect(nats_server.url, user="operator", password="operator")
    yield client
    await client.close()


async def messages(bus: Client) -> list[tuple[str, str]]:
    """The room and the text of every message in the stream."""
    jetstream = bus.jetstream()
    last = (await jetstream.stream_info("COUNTDOWN")).state.last_seq
    entries = [await jetstream.get_msg("COUNTDOWN", seq) for seq in range(1, last + 1)]
    return [
        (str(entry.subject).split(".")[1], json.loads(entry.data or b"")["text"])
        for entry in entries
        if str(entry.subject).endswith(".message")
    ]


# Starts and cancels on the bus


@pytest.mark.parametrize("end", ["scheduled", "running", "finished", "cancelled"])
async def test_a_start_is_answered_as_before_by_any_scheduler_also_after_a_restart(
    serve_scheduler: Serve, bus: Client, end: str
) -> None:
    terms: dict[str, Any] = {"run": "mine", "from": 2, "interval_ms": 100}
    if end == "scheduled":
        terms["starts_at"] = int(time.time() * 1000) + 3_600_000
    elif end != "finished":
        terms["interval_ms"] = 60_000
    first = await serve_scheduler()
    code, started = await ask(bus, "scheduler.start", **terms)
    assert (code, started["run"]) == (200, "mine")
    if end == "cancelled":
        assert (await ask(bus, "scheduler.cancel", run="mine"))[0] == 200
    count = {"scheduled": 1, "running": 2, "finished": 4, "cancelled": 2}[end]

    async def has_come_to_it() -> bool:
        return len(await history(bus)) >= count

    await until(has_come_to_it)
    await serve_scheduler(instance="scheduler-2")
    for n in range(6):
        if n == 3:
            await first.close()  # before that, either answers
        code, again = await ask(bus, "scheduler.start", **terms)
        assert (code, again | {"by": ""}) == (200, started | {"by": ""})
    assert [e["type"] for e in await history(bus)].count("started") == 1


async def test_the_same_run_with_other_terms_is_422_with_the_run(
    serve_scheduler: Serve, bus: Client
) -> None:
    await serve_scheduler()
    _, started = await ask(bus, "scheduler.start", run="mine", **LONG)
    for other in (
        {"from": 599},
        {"interval_ms": 500, **LONG},
        {"starts_at": 1, **LONG},
        {"after_zero": "count", **LONG},
    ):
        code, last = await ask(bus, "scheduler.start", run="mine", **other)
        assert (code, last["run"], last["from"]) == (422, "mine", 600)
    starts_at = started["starts_at"]
    assert (await ask(bus, "scheduler.start", run="mine", starts_at=starts_at, **LONG))[0] == 200
    code, last = await ask(bus, "scheduler.start", run="another", **LONG)
    assert (code, last["run"]) == (409, "mine")


@pytest.mark.parametrize("run", ["", "x" * 37, 5])
@pytest.mark.parametrize("subject", ["start", "hold", "resume", "adjust", "cancel"])
async def test_a_run_that_is_no_run_s_id_is_named(
    serve_scheduler: Serve, bus: Client, subject: str, run: object
) -> None:
    await serve_scheduler()
    asked = json.dumps({"run": run, "seconds": 1}).encode()
    reply = await bus.request(f"scheduler.{subject}", asked, timeout=5)
    headers = reply.headers or {}
    assert headers["Nats-Service-Error-Code"] == "400"
    assert headers["Nats-Service-Error"].startswith("run: ")


async def test_a_cancel_that_names_a_run_never_cancels_the_next(
    serve_scheduler: Serve, bus: Client
) -> None:
    await serve_scheduler()
    await ask(bus, "scheduler.start", run="first", **LONG)
    _, cancelled = await ask(bus, "scheduler.cancel", run="first")
    assert await ask(bus, "scheduler.cancel", run="first") == (200, cancelled)
    await ask(bus, "scheduler.start", run="second", **LONG)
    code, last = await ask(bus, "scheduler.cancel", run="first")
    assert (code, last["run"]) == (409, "second")
    assert (await history(bus))[-1]["type"] != "cancelled"
    assert (await ask(bus, "scheduler.cancel"))[1]["run"] == "second"
    assert (await ask(bus, "scheduler.cancel", run="first"))[0] == 404


# The bus stands still


async def standing_still_after(
    server: NatsServer, subject: str, count: int, asked: list[Awaitable[Reply]]
) -> tuple[list[Reply], list[float]]:
    """The answers, and after how many seconds each came, if the bus stands still as soon as it has
    passed on `count` of the requests."""
    seen = 0
    is_still = asyncio.Event()

    async def count_down(_: Msg) -> None:
        nonlocal seen
        seen += 1
        if seen == count:
            server.freeze()
            is_still.set()

    async def timed(request: Awaitable[Reply]) -> tuple[Reply, float]:
        began = time.monotonic()
        return await request, time.monotonic() - began

    async with operator(server) as client:
        await client.subscribe(subject, cb=count_down)
        await client.flush()
        tasks = [asyncio.ensure_future(timed(request)) for request in asked]
        try:
            async with asyncio.timeout(5):
                await is_still.wait()
            await asyncio.sleep(STANDSTILL_SECONDS)  # the standstill itself
        finally:
            server.thaw()
        async with asyncio.timeout(10):
            answers = await asyncio.gather(*tasks)
    return [reply for reply, _ in answers], [seconds for _, seconds in answers]


async def test_while_the_bus_stands_still_nobody_is_told_the_opposite_of_what_happened(
    nats_server: NatsServer, api: Api, bus: Client
) -> None:
    starts = [api("POST", f"{room}/countdown", LONG) for room in ROOMS]
    replies, seconds = await standing_still_after(nats_server, "scheduler.start", 10, starts)
    assert [status for status, _ in replies] == [201] * len(ROOMS)
    assert max(seconds) > FIRST_ATTEMPT_SECONDS  # or nothing was asked twice
    for room, (_, event) in zip(ROOMS, replies, strict=True):
        started = [e for e in await history(bus, room) if e["type"] == "started"]
        assert [(e["run"], e["starts_at"]) for e in started] == [(event["run"], event["starts_at"])]

    runs = [event["run"] for _, event in replies]
    cancels = [
        api("DELETE", f"{room}/countdown" + (f"?run={run}" if n % 2 else ""))
        for n, (room, run) in enumerate(zip(ROOMS, runs, strict=True))
    ]
    replies, seconds = await standing_still_after(nats_server, "scheduler.cancel", 15, cancels)
    assert {status for status, _ in replies} <= {200, 503}
    assert {status for status, _ in replies[1::2]} == {200}
    assert max(seconds) > FIRST_ATTEMPT_SECONDS
    for room, (status, _) in zip(ROOMS, replies, strict=True):
        if status == 200:
            assert (await history(bus, room))[-1]["type"] == "cancelled"


async def test_an_adjustment_of_which_nobody_heard_whether_it_was_stored_is_done_once(
    nats_server: NatsServer, api: Api, bus: Client
) -> None:
    asked = []
    for room in ROOMS:
        _, started = await api("POST", f"{room}/countdown", LONG)
        body = {"run": started["run"], "seconds": 60}
        asked.append(api("POST", f"{room}/countdown/adjust", body))
    replies, seconds = await standing_still_after(nats_server, "scheduler.adjust", 10, asked)
    assert [status for status, _ in replies] == [200] * len(ROOMS)
    assert max(seconds) > FIRST_ATTEMPT_SECONDS  # or nothing was asked twice
    for room, (_, event) in zip(ROOMS, replies, strict=True):
        adjusted = [e for e in await history(bus, room) if e["type"] == "adjusted"]
        assert [(e["change"], e["from"]) for e in adjusted] == [(event["change"], 660)]


async def test_a_message_of_which_nobody_heard_whether_it_was_stored_is_stored_once(
    nats_server: NatsServer, api: Api, bus: Client
) -> None:
    sent = [api("POST", f"{room}/messages", {"text": "hello"}) for room in ROOMS]
    replies, seconds = await standing_still_after(nats_server, "countdown.*.message", 10, sent)
    assert [status for status, _ in replies] == [202] * len(ROOMS)
    assert max(seconds) > FIRST_ATTEMPT_SECONDS
    assert sorted(await messages(bus)) == sorted((room, "hello") for room in ROOMS)


# The JSON API


async def test_a_start_over_http_may_name_its_run_in_the_body_or_the_header(
    api: Api, bus: Client
) -> None:
    path = "main/countdown"
    status, started = await api("POST", path, {"run": "mine", **LONG})
    assert status == 201
    for body, headers in (
        ({"run": "mine", **LONG}, {}),
        (LONG, {"Idempotency_Key": '"mine"'}),
        ({"run": "mine", **LONG}, {"Idempotency_Key": "mine"}),
    ):
        status, again = await api("POST", path, body, **headers)
        assert (status, again | {"by": ""}) == (201, started | {"by": ""})
    status, problem = await api("POST", path, {"from": 5}, Idempotency_Key="mine")
    assert (status, problem["field"], problem["event"]["run"]) == (422, "run", "mine")
    assert (await api("POST", path, LONG, Idempotency_Key="another"))[0] == 409
    assert [e["type"] for e in await history(bus)].count("started") == 1


@pytest.mark.parametrize("key", ["", '""', "two words", "x" * 37, 'a"b', '"a', "é"])
async def test_a_key_that_is_none_is_422(api: Api, key: str) -> None:
    for path, body in (("main/countdown", LONG), ("main/messages", {"text": "hello"})):
        status, problem = await api("POST", path, body, Idempotency_Key=key)
        assert (status, problem["field"]) == (422, "Idempotency-Key")


async def test_a_key_and_a_field_that_differ_are_422(api: Api) -> None:
    for path, body, field in (
        ("main/countdown", {"run": "a"}, "run"),
        ("main/messages", {"text": "hello", "id": "a"}, "id"),
    ):
        status, problem = await api("POST", path, body, Idempotency_Key="b")
        assert (status, problem["field"]) == (422, field)


async def test_a_cancel_over_http_may_name_its_run(api: Api) -> None:
    path = "main/countdown"
    await api("POST", path, {"run": "a b/?&", **LONG})
    assert (await api("DELETE", f"{path}?run="))[1]["field"] == "run"
    status, problem = await api("DELETE", f"{path}?run=another")
    assert (status, problem["event"]["run"]) == (409, "a b/?&")
    status, cancelled = await api("DELETE", f"{path}?run=a%20b%2F%3F%26")
    assert (status, cancelled["type"]) == (200, "cancelled")
    assert await api("DELETE", f"{path}?run=a%20b%2F%3F%26") == (200, cancelled)
    assert (await api("DELETE", path))[0] == 404


async def test_a_message_is_stored_once_for_each_id_and_room(
    nats_server: NatsServer, api: Api, bus: Client
) -> None:
    for room in ("one", "two"):
        for sent in ({"text": "hello", "id": "x"}, {"text": "hello", "id": "x"}):
            assert await api("POST", f"{room}/messages", sent) == (202, {"stored": True})
    assert (await api("POST", "one/messages", {"text": "hello"}, Idempotency_Key='"x"'))[0] == 202
    status, problem = await api("POST", "one/messages", {"text": "goodbye", "id": "x"})
    assert (status, problem["field"]) == (422, "id")
    await bus.request(
        "countdown.one.message", b'{"text":"hello"}', headers={"Nats-Msg-Id": "one:x"}
    )
    assert await messages(bus) == [("one", "hello"), ("two", "hello")]

    nats_server.kill()
    nats_server.start()

    async def is_stored() -> bool:
        return (await api("POST", "one/messages", {"text": "hello", "id": "x"}))[0] == 202

    await until(is_stored)
    assert await messages(bus) == [("one", "hello"), ("two", "hello")]
    for _ in range(2):  # without an id, each is a message of its own
        assert (await api("POST", "one/messages", {"text": "again"}))[0] == 202
    assert len(await messages(bus)) == 4


async def test_a_message_whose_id_a_stranger_has_used_is_not_told_to_be_stored(
    api: Api, bus: Client
) -> None:
    await bus.request(
        "countdown.other.message", b'{"text":"hello"}', headers={"Nats-Msg-Id": "one:guessed"}
    )
    status, problem = await api("POST", "one/messages", {"text": "hello", "id": "guessed"})
    assert (status, problem["field"]) == (422, "id")
    assert (await api("POST", "one/messages", {"text": "hello", "id": "unguessable"}))[0] == 202


@pytest.mark.parametrize("id", ["", "x" * 37, "two words", "a\r\nNats-Rollup: all", "é", 5])
async def test_an_id_that_is_none_is_422(api: Api, bus: Client, id: object) -> None:
    status, problem = await api("POST", "main/messages", {"text": "hello", "id": id})
    assert (status, problem["field"]) == (422, "id")
    assert await messages(bus) == []


async def test_a_message_that_the_stream_refuses_is_not_told_to_be_stored(
    nats_server: NatsServer, api: Api
) -> None:
    async with operator(nats_server) as client:
        config = (await client.jetstream().stream_info("COUNTDOWN")).config
        await client.jetstream().update_stream(config.evolve(max_msg_size=8))
    assert (await api("POST", "main/messages", {"text": "hello"}))[0] == 503


async def test_ids_of_messages_suppress_no_event(api: Api, bus: Client) -> None:
    for id in ("mine", "main:mine"):
        await bus.request("countdown.main.message", b"hello", headers={"Nats-Msg-Id": id})
    assert (await api("POST", "main/countdown", {"run": "mine", "from": 2, "interval_ms": 100}))[
        0
    ] == 201

    async def is_finished() -> bool:
        return [e.get("remaining") for e in await history(bus)] == [None, 2, 1, 0]

    await until(is_finished)


# The page's forms, without a script


def fields(html: str, form: str) -> dict[str, str]:
    """The hidden fields of a form, as a browser sends them."""
    [inside] = re.findall(rf'<form [^>]*id="{form}">(.*?)</form>', html, re.DOTALL)
    found = re.findall(r'<input type="hidden" name="(\w+)"[^>]* value="([^"]*)"', inside)
    return dict(found)


async def test_a_form_that_is_sent_twice_is_one_start_and_one_message(
    page: TestServer, bus: Client
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
        assert [e["type"] for e in await history(bus)] == ["started"]
        assert await messages(bus) == [("main", "hello")]

        late = fields(await load(), "cancel")
        assert late["run"] == start["run"]
        assert await submit("cancel", late) == 303
        again = fields(await load(), "start")
        assert again["run"] != start["run"]
        assert await submit("start", again) == 303
        assert await submit("cancel", late) == 409
        kinds = [e["type"] for e in await history(bus)]
        assert kinds[:3] == ["started", "cancelled", "started"]
        assert kinds.count("cancelled") == 1


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
