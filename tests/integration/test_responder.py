"""A service on the bus: requests side by side, its statistics, and how it ends."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import nats.errors
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.transport import TcpTransport

from bus import metered, responder
from bus.connection import Bus
from bus.errors import ServiceError
from bus.intake import AT_ONCE
from bus.metered import BATCH, BATCH_SECONDS
from bus.responder import Responder
from runtime.background import background
from scheduler.settings import Settings
from support.nats_server import NatsServer
from support.waiting import until


class Service:
    """A service whose answers to `slow` wait until `go` is set."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.begun = 0

    async def answer(self, payload: bytes) -> bytes:
        self.begun += 1
        match payload:
            case b"slow":
                await self.go.wait()
            case b"refuse":
                raise ServiceError(409, "no", b"because")
            case b"fail":
                raise ZeroDivisionError
        return payload


@asynccontextmanager
async def serving(nats_server: NatsServer, service: Service) -> AsyncIterator[Bus]:
    bus = Bus(Settings(nats_url=nats_server.url), "scheduler")
    endpoints = {"scheduler.try": service.answer}
    one = Responder(bus, "scheduler", "For a test", endpoints, "scheduler-1")
    async with background(bus.run(), one.run(ready=bus.connected)):
        async with asyncio.timeout(5):
            while one.check() is not None:
                await asyncio.sleep(0.01)
        yield bus


async def ask(bus: Client, payload: bytes) -> tuple[str, bytes]:
    reply: Msg = await bus.request("scheduler.try", payload, timeout=5)
    return (reply.headers or {}).get("Nats-Service-Error-Code", "200"), reply.data


async def stats(bus: Client) -> dict[str, Any]:
    reply = await bus.request("$SRV.STATS.scheduler", timeout=5)
    endpoints: list[dict[str, Any]] = json.loads(reply.data)["endpoints"]
    return endpoints[0]


async def test_one_slow_request_does_not_hold_up_the_others(
    nats_server: NatsServer, bus: Client
) -> None:
    service = Service()
    async with serving(nats_server, service):
        slow = asyncio.create_task(ask(bus, b"slow"))
        assert await ask(bus, b"quick") == ("200", b"quick")
        service.go.set()
        assert await slow == ("200", b"slow")


async def test_no_more_requests_are_answered_at_once_than_there_are_places(
    nats_server: NatsServer, bus: Client
) -> None:
    service = Service()
    async with serving(nats_server, service):
        slow = [asyncio.create_task(ask(bus, b"slow")) for _ in range(2 * AT_ONCE)]
        await bus.flush()
        await stats(bus)  # it was asked after the others
        assert service.begun == AT_ONCE
        service.go.set()
        assert await asyncio.gather(*slow) == [("200", b"slow")] * 2 * AT_ONCE


async def test_its_statistics_count_requests_errors_and_time(
    nats_server: NatsServer, bus: Client
) -> None:
    service = Service()
    async with serving(nats_server, service):
        slow = asyncio.create_task(ask(bus, b"slow"))
        assert await ask(bus, b"refuse") == ("409", b"because")
        assert await ask(bus, b"fail") == ("500", b"")
        await asyncio.sleep(0.05)  # the time that is to be counted
        service.go.set()
        await slow
        told = await stats(bus)
    assert (told["num_requests"], told["num_errors"]) == (3, 2)
    assert told["last_error"] == "500:internal error"
    assert told["processing_time"] > 50_000_000
    assert told["average_processing_time"] == told["processing_time"] // 3


async def test_what_can_not_be_carried_out_before_the_end_is_refused(
    nats_server: NatsServer, bus: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(responder, "LAST_BEGUN_SECONDS", 0.1)
    service = Service()
    async with serving(nats_server, service):
        slow = [asyncio.create_task(ask(bus, b"slow")) for _ in range(3 * AT_ONCE)]
        await bus.flush()
        await stats(bus)
        asyncio.get_running_loop().call_later(0.2, service.go.set)
    codes = Counter(code for code, _ in await asyncio.gather(*slow))
    assert codes == {"200": AT_ONCE, "503": 2 * AT_ONCE}
    assert service.begun == AT_ONCE


async def test_a_flood_waits_at_the_server_and_what_comes_after_it_is_answered(
    nats_server: NatsServer, bus: Client
) -> None:
    service = Service()
    async with serving(nats_server, service):
        for _ in range(50 * BATCH):
            await bus.publish("scheduler.try", b"refuse")
            await bus.publish("$SRV.PING", b"", "nobody")
        await bus.flush()
        begun_at = time.monotonic()

        async def is_answered() -> bool:
            try:
                return await ask(bus, b"quick") == ("200", b"quick")
            except nats.errors.NoRespondersError:
                return False

        await until(is_answered)
        seconds = time.monotonic() - begun_at
        # The rest of the flood was never delivered.
        assert service.begun < BATCH * (3 + seconds / BATCH_SECONDS)

        async def is_listed() -> bool:
            try:
                return bool((await bus.request("$SRV.PING.scheduler", timeout=5)).data)
            except nats.errors.NoRespondersError:
                return False

        await until(is_listed)


async def test_after_a_lost_connection_a_burst_makes_it_deaf_to_nobody(
    nats_server: NatsServer, bus: Client
) -> None:
    service = Service()
    async with serving(nats_server, service) as served:
        assert await ask(bus, b"quick") == ("200", b"quick")
        transport = served.client._transport
        assert isinstance(transport, TcpTransport)
        assert transport._io_writer is not None
        transport._io_writer.transport.abort()

        async def has_lost_it() -> bool:
            return not served.is_connected

        await until(has_lost_it)
        await served.connected()
        for round in range(3):
            for _ in range(BATCH + 1):
                await bus.publish("scheduler.try", b"refuse")
                await bus.publish("$SRV.PING", b"", "nobody")
            await bus.flush()
            await asyncio.sleep(2 * BATCH_SECONDS)
            assert await ask(bus, b"quick") == ("200", b"quick"), round
            assert (await bus.request("$SRV.PING.scheduler", timeout=5)).data
        listed = await bus.request("$SRV.PING", timeout=5)
        assert json.loads(listed.data)["name"] == "scheduler"


async def test_requests_at_a_rate_that_it_can_answer_always_find_it(
    nats_server: NatsServer, bus: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metered, "BATCH_SECONDS", 0.0)  # no rate is too high
    service = Service()
    async with serving(nats_server, service):

        async def caller() -> None:
            for _ in range(BATCH // 4):
                assert await ask(bus, b"quick") == ("200", b"quick")

        await asyncio.gather(*(caller() for _ in range(20)))
    assert service.begun == 5 * BATCH
