"""What becomes of an append that the stream refuses, by each of its codes."""

import asyncio
import json

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from prometheus_client import REGISTRY

from bus.connection import Bus
from bus.errors import BusTimeout, BusUnavailable
from scheduler.appender import IN_FLIGHT, Appender
from support.bus_client import ask
from support.nats_server import NatsServer
from support.served import Serve, until_ready
from support.waiting import until

SUBJECT = "countdown.main.events"
STORED = {"stream": "COUNTDOWN", "seq": 7}


@pytest.fixture
def appender(connection: Bus) -> Appender:
    return Appender(connection)


@pytest.mark.parametrize("code", [10167, 10163, 10008])
async def test_one_that_is_refused_for_now_is_sent_again(
    appender: Appender, bus: Client, code: int
) -> None:
    left = await _answering(bus, _refusal(code), _refusal(code), STORED)
    assert await appender.append(SUBJECT, b"tick", 0) == 7
    assert not left
    assert appender.check() is None


async def test_one_that_nobody_stores_is_sent_again(appender: Appender, bus: Client) -> None:
    def sent_again() -> float:
        return REGISTRY.get_sample_value("tminus_appends_total", {"outcome": "busy"}) or 0.0

    before = sent_again()
    appending = asyncio.create_task(appender.append(SUBJECT, b"tick", 0))

    async def is_refused() -> bool:
        return sent_again() > before

    await until(is_refused)
    await _answering(bus, STORED)
    assert await appending == 7


async def test_one_that_others_may_have_stored_counts_as_unanswered(
    appender: Appender, bus: Client
) -> None:
    await _answering(bus, _refusal(10077))
    with pytest.raises(BusTimeout):
        await appender.append(SUBJECT, b"tick", 0)


async def test_one_that_the_caller_gives_up_is_not_counted_as_stored(appender: Appender) -> None:
    def counted(outcome: str) -> float:
        return REGISTRY.get_sample_value("tminus_appends_total", {"outcome": outcome}) or 0.0

    before = counted("stored"), counted("timeout")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await appender.append(SUBJECT, b"tick", 0)
    assert (counted("stored"), counted("timeout")) == (before[0], before[1] + 1)


async def test_a_stream_that_takes_nothing_is_said_until_it_takes_something(
    appender: Appender, bus: Client
) -> None:
    await _answering(bus, _refusal(10023, "insufficient resources"), STORED)
    with pytest.raises(BusUnavailable):
        await appender.append(SUBJECT, b"tick", 0)
    assert "insufficient resources" in (appender.check() or "")
    await appender.append(SUBJECT, b"tick", 0)
    assert appender.check() is None


async def test_one_that_would_be_sent_again_when_its_time_is_over_was_not_stored(
    appender: Appender, bus: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scheduler.appender.NOT_NOW_SECONDS", {10167: 60.0})
    await _answering(bus, _refusal(10167, "queue is full"))
    with pytest.raises(BusUnavailable):
        await asyncio.wait_for(appender.append(SUBJECT, b"tick", 0), 5)
    assert "queue is full" in (appender.check() or "")


async def test_no_more_are_on_their_way_at_once_than_the_stream_s_queue_bears(
    appender: Appender, connection: Bus, bus: Client
) -> None:
    come: asyncio.Queue[Msg] = asyncio.Queue()
    await bus.subscribe(SUBJECT, cb=come.put)
    await bus.flush()
    async with asyncio.TaskGroup() as group:
        appends = [
            group.create_task(appender.append(SUBJECT, b"tick", 0)) for _ in range(IN_FLIGHT + 1)
        ]
        first = [await asyncio.wait_for(come.get(), 5) for _ in range(IN_FLIGHT)]
        for client in (connection.client, bus):  # what was sent has come
            await client.flush()
        assert come.empty()
        for append in first:
            await append.respond(json.dumps(STORED).encode())
        last = await asyncio.wait_for(come.get(), 5)
        await last.respond(json.dumps(STORED).encode())
    assert [append.result() for append in appends] == [7] * (IN_FLIGHT + 1)


async def test_a_scheduler_is_not_ready_while_the_stream_takes_nothing(
    serve_scheduler: Serve, bus: Client
) -> None:
    server = await serve_scheduler()
    stream = (await bus.jetstream().stream_info("COUNTDOWN")).config
    await bus.jetstream().update_stream(stream.evolve(max_msg_size=10))
    assert (await ask(bus, "scheduler.start"))[0] == 503
    await until_ready(server, status=503)
    await bus.jetstream().update_stream(stream)
    assert (await ask(bus, "scheduler.start"))[0] == 200
    await until_ready(server)


async def test_those_on_their_way_are_unanswered_as_soon_as_the_connection_is_lost(
    appender: Appender, bus: Client, nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scheduler.appender.APPEND_SECONDS", 60.0)
    has_come = asyncio.Event()

    async def note(_: Msg) -> None:
        has_come.set()

    await bus.subscribe(SUBJECT, cb=note)
    await bus.flush()
    appending = asyncio.create_task(appender.append(SUBJECT, b"tick", 0))
    await asyncio.wait_for(has_come.wait(), 5)
    nats_server.kill()
    with pytest.raises(BusTimeout):
        await asyncio.wait_for(appending, 5)


def _refusal(code: int, words: str = "no") -> dict[str, object]:
    return {"stream": "COUNTDOWN", "error": {"code": 400, "err_code": code, "description": words}}


async def _answering(bus: Client, *answers: dict[str, object]) -> list[dict[str, object]]:
    """Answer appends as the stream does, one after another; gives the answers that are left."""
    left = list(answers)

    async def answer(append: Msg) -> None:
        await append.respond(json.dumps(left.pop(0)).encode())

    await bus.subscribe(SUBJECT, cb=answer)
    await bus.flush()
    return left
