"""While the bus stands still, no reply contradicts what happened, and all is done once."""

import asyncio
import time
from collections.abc import Awaitable

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from support.api_client import Api, Reply
from support.bus_client import history, messages
from support.nats_server import NatsServer

ROOMS = [f"room-{n}" for n in range(20)]
STANDSTILL_SECONDS = 1.2
FIRST_ATTEMPT_SECONDS = 0.9
LONG = {"from": 600}


@pytest.fixture
def nats_server(deployed_nats_server: NatsServer) -> NatsServer:
    """As it is deployed."""
    return deployed_nats_server


async def standing_still_after(
    server: NatsServer, operator: Client, subject: str, count: int, asked: list[Awaitable[Reply]]
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

    subscription = await operator.subscribe(subject, cb=count_down)
    await operator.flush()
    tasks = [asyncio.ensure_future(timed(request)) for request in asked]
    try:
        async with asyncio.timeout(5):
            await is_still.wait()
        await asyncio.sleep(STANDSTILL_SECONDS)  # the standstill itself
    finally:
        server.thaw()
    async with asyncio.timeout(10):
        answers = await asyncio.gather(*tasks)
    await subscription.unsubscribe()
    return [reply for reply, _ in answers], [seconds for _, seconds in answers]


async def test_while_the_bus_stands_still_nobody_is_told_the_opposite_of_what_happened(
    nats_server: NatsServer, operator: Client, api: Api
) -> None:
    starts = [api("POST", f"{room}/countdown", LONG) for room in ROOMS]
    replies, seconds = await standing_still_after(
        nats_server, operator, "scheduler.start", 10, starts
    )
    assert [status for status, _ in replies] == [201] * len(ROOMS)
    assert max(seconds) > FIRST_ATTEMPT_SECONDS  # or nothing was asked twice
    for room, (_, event) in zip(ROOMS, replies, strict=True):
        started = [e for e in await history(operator, room) if e["type"] == "started"]
        assert [(e["run"], e["starts_at"]) for e in started] == [(event["run"], event["starts_at"])]

    runs = [event["run"] for _, event in replies]
    cancels = [
        api("DELETE", f"{room}/countdown" + (f"?run={run}" if n % 2 else ""))
        for n, (room, run) in enumerate(zip(ROOMS, runs, strict=True))
    ]
    replies, seconds = await standing_still_after(
        nats_server, operator, "scheduler.cancel", 15, cancels
    )
    assert {status for status, _ in replies} <= {200, 503}
    assert {status for status, _ in replies[1::2]} == {200}
    assert max(seconds) > FIRST_ATTEMPT_SECONDS
    for room, (status, _) in zip(ROOMS, replies, strict=True):
        if status == 200:
            assert (await history(operator, room))[-1]["type"] == "cancelled"


async def test_an_adjustment_of_which_nobody_heard_whether_it_was_stored_is_done_once(
    nats_server: NatsServer, operator: Client, api: Api
) -> None:
    asked = []
    for room in ROOMS:
        _, started = await api("POST", f"{room}/countdown", LONG)
        body = {"run": started["run"], "seconds": 60}
        asked.append(api("POST", f"{room}/countdown/adjust", body))
    replies, seconds = await standing_still_after(
        nats_server, operator, "scheduler.adjust", 10, asked
    )
    assert [status for status, _ in replies] == [200] * len(ROOMS)
    assert max(seconds) > FIRST_ATTEMPT_SECONDS  # or nothing was asked twice
    for room, (_, event) in zip(ROOMS, replies, strict=True):
        adjusted = [e for e in await history(operator, room) if e["type"] == "adjusted"]
        assert [(e["change"], e["from"]) for e in adjusted] == [(event["change"], 660)]


async def test_a_message_of_which_nobody_heard_whether_it_was_stored_is_stored_once(
    nats_server: NatsServer, operator: Client, api: Api
) -> None:
    sent = [api("POST", f"{room}/messages", {"text": "hello"}) for room in ROOMS]
    replies, seconds = await standing_still_after(
        nats_server, operator, "countdown.*.message", 10, sent
    )
    assert [status for status, _ in replies] == [202] * len(ROOMS)
    assert max(seconds) > FIRST_ATTEMPT_SECONDS
    assert sorted(await messages(operator)) == sorted((room, "hello") for room in ROOMS)
