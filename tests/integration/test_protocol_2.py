"""The second version of the frames: who gets it, what it costs, and that a run is told whole."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestServer
from multidict import CIMultiDict
from nats.aio.client import Client

from coordinator.hub import HUB
from support.bus_client import ask
from support.event_stream import listening
from support.served import Serve
from support.viewer import Viewer, is_last_tick

V1, V2 = "v1.tminus", "v2.tminus"
FAST = {"interval_ms": 100}
BYTES_OF_A_RUN = 1200
"""The most for a run of eleven, `hello` aside."""


@asynccontextmanager
async def offering(
    server: TestServer, *subprotocols: str, **query: Any
) -> AsyncIterator[tuple[Viewer, str | None]]:
    """A viewer that offers these subprotocols, and the one that was chosen."""
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(
            server.make_url("/ws/connect").update_query(query), protocols=subprotocols
        ) as socket,
    ):
        yield Viewer(socket), socket.protocol


@pytest.mark.parametrize(
    ("offered", "chosen", "version"),
    [
        ((), None, 1),
        ((V1,), V1, 1),
        ((V2,), V2, 2),
        ((V1, V2), V2, 2),
        ((V2, V1), V2, 2),
        (("v3.tminus", V2), V2, 2),
        (("soap",), None, 1),
    ],
)
async def test_the_best_version_offered_is_chosen(
    serve_coordinator: Serve, offered: tuple[str, ...], chosen: str | None, version: int
) -> None:
    async with offering(await serve_coordinator(), *offered) as (viewer, subprotocol):
        assert subprotocol == chosen
        assert (await viewer.frame())["protocol"] == version


@pytest.mark.parametrize(
    ("lines", "chosen", "version"),
    [(["v3.tminus,  v2.tminus"], V2, 2), ([f"{V2} ", V1], V2, 2), (["v3.tminus", V2], None, 1)],
)
async def test_the_version_is_that_of_the_subprotocol_in_the_answer(
    serve_coordinator: Serve, lines: list[str], chosen: str | None, version: int
) -> None:
    """However the offers are spread over header lines; only those of the first count."""
    server = await serve_coordinator()
    headers = CIMultiDict([("Sec-WebSocket-Protocol", line) for line in lines])
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(server.make_url("/ws/connect"), headers=headers) as socket,
    ):
        assert socket._response.headers.get("Sec-WebSocket-Protocol") == chosen
        assert (await Viewer(socket).frame())["protocol"] == version


async def test_versions_side_by_side_are_told_the_same_run(
    serve_scheduler: Serve, serve_coordinator: Serve, bus: Client
) -> None:
    await serve_scheduler()
    server = await serve_coordinator()
    async with (
        offering(server) as (first, _),
        offering(server, V2) as (second, _),
        offering(server, V2, ticks="0") as (third, _),
        offering(server, V2, rooms="other,main") as (several, _),
        listening(server, "/sse/connect?ticks=0") as stream,
    ):
        for viewer in (first, second, third, several):
            await viewer.frame()
        holds = [{"at": 6, "for_ms": 200}]
        status, _ = await ask(bus, "scheduler.start", **{"from": 10, "holds": holds, **FAST})
        assert status == 200
        for viewer in (first, second, third, several):
            await viewer.until(is_last_tick)
        streamed: list[dict[str, Any]] = []
        while not (streamed and is_last_tick(streamed[-1])):
            streamed.append(json.loads((await anext(stream))["data"]))
    assert first.ticks == second.ticks == list(range(10, -1, -1))
    assert first.seqs == second.seqs
    told = [frame for frame in second.frames if frame["type"] in ("started", "tick", "resumed")]
    assert [len(frame) for frame in told if "run" not in frame] == [3] * 10
    # What changes the terms has them: the tick that holds, for instance.
    assert next(frame.get("held_at") for frame in told if frame.get("remaining") == 6)
    # Over a connection with several rooms each names its own.
    assert several.ticks == first.ticks
    brief = [frame for frame in several.frames if frame["type"] == "tick" and "run" not in frame]
    assert [frame["room"] for frame in brief] == ["main"] * 10
    assert third.ticks == [6, 0]
    assert [f.get("remaining") for f in streamed if f["type"] == "tick"] == [6, 0]
    assert [f["type"] for f in third.frames if "run" in f] == ["started", "tick", "resumed"]


async def test_a_list_of_one_room_is_a_list(
    serve_scheduler: Serve, serve_coordinator: Serve, bus: Client
) -> None:
    """Every frame names its room, also a short tick: a board finds the card by it."""
    await serve_scheduler()
    server = await serve_coordinator()
    async with offering(server, V2, rooms="main") as (viewer, _):
        await viewer.frame()
        await ask(bus, "scheduler.start", **FAST)
        last = await viewer.until(is_last_tick)
    assert {frame["room"] for frame in viewer.frames} == {"main"}
    assert viewer.ticks == list(range(10, -1, -1))
    assert "run" not in last


async def test_who_comes_back_gets_what_it_missed_in_its_version(
    serve_scheduler: Serve, serve_coordinator: Serve, bus: Client
) -> None:
    await serve_scheduler()
    server = await serve_coordinator()
    async with offering(server, V2) as (viewer, _):
        hello = await viewer.frame()
        await ask(bus, "scheduler.start", **FAST)
        seen = await viewer.until(lambda frame: frame.get("remaining") == 8)
    async with offering(server, V2) as (watching, _):
        await watching.until(is_last_tick)
    resume = {"epoch": hello["epoch"], "after": seen["seq"]}
    async with offering(server, V2, **resume) as (back, _):
        greeted = await back.frame()
        assert (greeted["replayed"], greeted["complete"]) == (8, True)
        assert [await back.frame() for _ in range(8)] == [
            {"type": "tick", "seq": seen["seq"] + n, "remaining": 8 - n} for n in range(1, 9)
        ]
    async with offering(server, V2, ticks="0", **resume) as (back, _):
        greeted = await back.frame()
        assert (greeted["replayed"], greeted["complete"]) == (1, True)
        assert is_last_tick(await back.frame())


async def test_a_run_costs_a_viewer_a_third_of_the_bytes(
    serve_scheduler: Serve, serve_coordinator: Serve, bus: Client
) -> None:
    await serve_scheduler()
    server = await serve_coordinator()
    async with offering(server) as (first, _), offering(server, V2) as (second, _):
        await first.frame(), await second.frame()
        await ask(bus, "scheduler.start", **FAST)
        await first.until(is_last_tick), await second.until(is_last_tick)
    # With each WebSocket frame's header, two bytes or four.
    cost = [
        sum(len(json.dumps(frame, separators=(",", ":"))) + 4 for frame in viewer.frames[1:])
        for viewer in (first, second)
    ]
    assert cost[1] <= BYTES_OF_A_RUN
    assert cost[1] <= cost[0] / 3


async def test_ticks_is_0_or_1(serve_coordinator: Serve) -> None:
    server = await serve_coordinator()
    async with aiohttp.ClientSession() as session:
        for path in ("/ws/connect", "/sse/connect"):
            async with session.get(server.make_url(path).update_query(ticks="no")) as response:
                assert response.status == 400
                assert await response.text() == "ticks: 'no' is neither 0 nor 1\n"


async def test_who_gets_no_ticks_is_not_taken_to_be_out_of_step(
    serve_scheduler: Serve, serve_coordinator: Serve, bus: Client
) -> None:
    await serve_scheduler()
    server = await serve_coordinator()
    async with offering(server, V2) as (counting, _), offering(server, V2, ticks="0") as (other, _):
        await counting.frame(), await other.frame()
        await ask(bus, "scheduler.start", **FAST)
        last = await counting.until(is_last_tick)
        for viewer, seq in ((counting, last["seq"]), (other, 1)):
            await viewer.socket.send_json({"type": "ping", "id": 1, "seq": seq, "error_ms": 1})
            await viewer.until(lambda frame: frame["type"] == "pong")
        screens = server.app[HUB].rooms["main"].screens()
        assert (screens.reporting, screens.in_step) == (1, 1)
