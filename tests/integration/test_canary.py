"""The canary at the front door of a whole stack, and of stacks in which something is broken."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from nats.aio.client import Client

from auditor.canary.count import Terms, count
from auditor.canary.page import target_at
from auditor.canary.report import Report
from frontend.rights import Link, derived
from support.bus_client import history
from support.ports import free_port
from support.served import PageOf, Serve
from support.waiting import until

ELEVEN = list(range(10, -1, -1))
QUICK = Terms(interval_ms=100, patience=3.0)
AiohttpServer = Callable[[web.Application], Awaitable[TestServer]]


async def through(page: TestServer, terms: Terms = QUICK, **how: str) -> Report:
    return await count(target_at(str(page.make_url("/")), **how), terms)


def is_good(report: Report) -> bool:
    return not report.failures and [list(view.late_ms) for view in report.views] == [ELEVEN] * 2


async def test_two_viewers_get_eleven_ticks_and_it_says_how_late(
    serve_scheduler: Serve, serve_coordinator: Serve, page_of: PageOf
) -> None:
    await serve_scheduler()
    report = await through(await page_of(await serve_coordinator()))
    assert is_good(report), report
    assert report.room.startswith("canary-")
    for view in report.views:
        assert view.drops == 0
        assert 0 < view.error_ms < 500
        assert all(-view.error_ms <= late < 500 + view.error_ms for late in view.late_ms.values())
    lines = report.as_table().splitlines()
    assert [line.split()[0] for line in lines[2:13]] == [str(number) for number in ELEVEN]
    assert json.loads(report.as_json())["ok"] is True


async def test_where_a_token_is_needed_it_has_to_be_the_right_one(
    serve_scheduler: Serve, serve_coordinator: Serve, page_of: PageOf
) -> None:
    await serve_scheduler()
    page = await page_of(await serve_coordinator(), control_token="sesame")
    assert is_good(await through(page, token="sesame"))
    for token in ("", "wrong"):
        [failure] = (await through(page, token=token)).failures
        assert failure.startswith("the start was answered 401: ")


async def test_below_a_base_path(
    serve_scheduler: Serve,
    serve_coordinator: Serve,
    page_of: PageOf,
    aiohttp_server: AiohttpServer,
) -> None:
    """Which a proxy removes before it passes a request on."""
    await serve_scheduler()
    page = await page_of(await serve_coordinator(), base_path="/events/tminus")

    async def pass_on(request: web.Request) -> web.Response:
        path = page.make_url(f"/{request.match_info['tail']}")
        async with (
            aiohttp.ClientSession() as http,
            http.request(request.method, path, data=await request.read()) as answer,
        ):
            kind = {"Content-Type": answer.headers["Content-Type"]}
            return web.Response(status=answer.status, body=await answer.read(), headers=kind)

    app = web.Application()
    app.add_routes([web.route("*", "/events/tminus/{tail:.*}", pass_on)])
    proxy = await aiohttp_server(app)
    report = await count(target_at(str(proxy.make_url("/events/tminus/"))), QUICK)
    assert is_good(report), report


async def test_a_link_is_for_its_room(
    serve_scheduler: Serve, serve_coordinator: Serve, page_of: PageOf
) -> None:
    await serve_scheduler()
    page = await page_of(await serve_coordinator(), control_token="sesame")
    keys = derived("sesame")
    link = keys.sign(Link("quiz", "control", 2**40))
    url = page.make_url("/r/quiz").with_query(link=link)
    report = await count(target_at(str(url)), QUICK)
    assert is_good(report), report
    assert report.room == "quiz"
    assert link not in report.as_json()
    less = page.make_url("/r/quiz").with_query(link=keys.sign(Link("quiz", "say", 2**40)))
    [failure] = (await count(target_at(str(less)), QUICK)).failures
    assert failure.startswith("the start was answered 403: ")


async def test_a_viewer_whose_coordinator_ends_comes_back_and_has_eleven(
    serve_scheduler: Serve, serve_coordinator: Serve, page_of: PageOf, bus: Client
) -> None:
    await serve_scheduler()
    one, other = await serve_coordinator(), await serve_coordinator(instance="coordinator-2")
    page = target_at(str((await page_of(one, other)).make_url("/")))
    counting = asyncio.create_task(count(page, Terms(interval_ms=200, patience=10.0)))
    await _has_ticks(bus, 3)
    await one.close()
    report = await counting
    assert is_good(report), report
    assert sorted(view.drops for view in report.views) == [0, 1]


async def test_viewers_whose_connections_are_cut_come_back_and_have_eleven(
    serve_scheduler: Serve, serve_coordinator: Serve, serve_frontend: Serve, bus: Client
) -> None:
    await serve_scheduler()
    async with _relaying((await serve_coordinator()).port or 0) as (port, cut):
        page = target_at(str((await serve_frontend(ws_host=f"127.0.0.1:{port}")).make_url("/")))
        counting = asyncio.create_task(count(page, Terms(interval_ms=200, patience=10.0)))
        await _has_ticks(bus, 3)
        cut()
        report = await counting
    assert is_good(report), report
    assert [view.drops for view in report.views] == [1, 1]


@asynccontextmanager
async def _relaying(to: int) -> AsyncIterator[tuple[int, Callable[[], None]]]:
    """A port that leads to another, and what ends every connection through it without a word."""
    writers: list[asyncio.StreamWriter] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, onward = await asyncio.open_connection("127.0.0.1", to)
        writers.extend([writer, onward])
        await asyncio.gather(pass_on(reader, onward), pass_on(answers, writer))

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)

    def cut() -> None:
        for writer in writers:
            writer.transport.abort()

    async with await asyncio.start_server(accept, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1], cut
        cut()


async def test_without_schedulers_the_start_fails(
    serve_coordinator: Serve, page_of: PageOf
) -> None:
    page = await page_of(await serve_coordinator())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("auditor.canary.count.OPEN_SECONDS", 1.0)
        [failure] = (await through(page)).failures
    assert failure.startswith("the start was answered 503: ")


async def test_schedulers_that_end_are_told_by_the_numbers_that_did_not_come(
    serve_scheduler: Serve, serve_coordinator: Serve, page_of: PageOf, bus: Client
) -> None:
    scheduler = await serve_scheduler()
    page = target_at(str((await page_of(await serve_coordinator())).make_url("/")))
    counting = asyncio.create_task(count(page, Terms(interval_ms=300, patience=0.5)))
    await _has_ticks(bus, 2)
    await scheduler.close()
    report = await counting
    assert len(report.failures) == 2
    assert report.failures[0].startswith("viewer 1 has not got ")
    assert ", 1, 0 within 3.5 s of the start" in report.failures[0]


async def test_without_coordinators_it_says_which_of_them_it_can_not_reach(
    serve_scheduler: Serve, serve_coordinator: Serve, page_of: PageOf
) -> None:
    await serve_scheduler()
    coordinator = await serve_coordinator()
    page = await page_of(coordinator)
    await coordinator.close()
    [failure] = (await through(page)).failures
    assert failure.endswith(" answers 503"), failure


async def test_sockets_that_lead_nowhere_are_named(
    serve_scheduler: Serve, serve_coordinator: Serve, serve_frontend: Serve, bus: Client
) -> None:
    await serve_scheduler()
    await serve_coordinator()
    port = free_port()
    page = await serve_frontend(ws_host=f"127.0.0.1:{port}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("auditor.canary.count.OPEN_SECONDS", 1.0)
        report = await through(page)
    [failure] = report.failures
    assert failure.startswith(f"viewer 1 can't connect to ws://127.0.0.1:{port}/ws/connect: ")
    assert (await bus.jetstream().stream_info("COUNTDOWN")).state.messages == 0


async def test_a_run_that_fails_is_not_left_under_way(
    serve_scheduler: Serve, serve_coordinator: Serve, page_of: PageOf, bus: Client
) -> None:
    await serve_scheduler()
    page = await page_of(await serve_coordinator())
    report = await through(page, Terms(interval_ms=1000, patience=0.1 - 10))
    assert len(report.failures) == 2
    assert (await history(bus, report.room))[-1]["type"] == "cancelled"


async def _has_ticks(bus: Client, count: int) -> None:
    """Wait until the only run has so many."""

    async def has_them() -> bool:
        return (await bus.jetstream().stream_info("COUNTDOWN")).state.messages > count

    await until(has_them)
