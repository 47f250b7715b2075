"""The load on a whole stack: what it counts, and that it tells what is wrong."""

import asyncio

from aiohttp.test_utils import TestServer

from auditor.canary.count import Terms
from auditor.canary.page import target_at
from auditor.load import LoadReport, load
from coordinator.hub import HUB
from protocol.events import Tick
from support.served import Serve
from support.waiting import until

QUICK = Terms(interval_ms=100, patience=3.0, first=5)


async def of(page: TestServer, viewers: int) -> LoadReport:
    return await load(target_at(str(page.make_url("/"))), viewers, rate=200, terms=QUICK)


async def test_every_viewer_gets_every_tick_and_it_says_how_late(
    serve_scheduler: Serve, serve_coordinator: Serve, serve_frontend: Serve
) -> None:
    await serve_scheduler()
    coordinators = [await serve_coordinator(), await serve_coordinator(instance="coordinator-2")]
    hosts = ",".join(f"127.0.0.1:{one.port}" for one in coordinators)
    report = await of(await serve_frontend(ws_host=hosts), 60)
    assert report.is_good, report
    assert (report.connected, report.ticks, report.ticks_due) == (60, 360, 360)
    assert 0.25 < report.joining_seconds < 20
    assert report.late_ms["p50"] <= report.late_ms["p99"] <= report.late_ms["worst"] < 3000
    assert 0 < report.busy <= 1
    assert "360 of 360 ticks received" in report.as_text()


async def test_who_is_refused_is_counted_with_the_reason(
    serve_scheduler: Serve, serve_coordinator: Serve, serve_frontend: Serve
) -> None:
    await serve_scheduler()
    coordinator = await serve_coordinator(max_viewers_per_address=20)
    page = await serve_frontend(ws_host=f"127.0.0.1:{coordinator.port}")
    report = await of(page, 25)
    assert not report.is_good
    assert report.connected == 20
    [failure] = report.failures
    assert "5 viewers can't connect" in failure
    assert "429" in failure


async def test_ticks_that_do_not_come_are_told(
    serve_scheduler: Serve, serve_coordinator: Serve, serve_frontend: Serve
) -> None:
    scheduler, coordinator = await serve_scheduler(), await serve_coordinator()
    page = await serve_frontend(ws_host=f"127.0.0.1:{coordinator.port}")
    target = target_at(str(page.make_url("/")))
    terms = Terms(interval_ms=1000, patience=0.5, first=2)
    loading = asyncio.create_task(load(target, 20, rate=200, terms=terms))

    async def has_begun() -> bool:
        room = coordinator.app[HUB].rooms.get(target.room)
        return room is not None and isinstance(room.history.countdown.last, Tick)

    await until(has_begun)
    await scheduler.close()
    report = await loading
    assert not report.is_good
    assert report.ticks < report.ticks_due
    assert any("viewer 1 has not got" in one for one in report.failures)
    assert "10 more of the kind" in report.failures[-1]
